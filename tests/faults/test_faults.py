"""Proves the guarantees on what the queues really hold while the deployed stack is attacked from outside.

The faults that MiniStack cannot produce stand between it and the application (engine_process.py).
Reported batch item failures bring the whole batch again here, where AWS brings it from the reported
record on. Nothing here ran against AWS.
"""

from itertools import count

import pytest

from local.marks import Mark
from local.queues import until
from mark_event_queue.domain.held import GATE
from tests.faults.world import MENDABLE, World

_numbers = count()

FILLS_A_BATCH = 90_000
"""Bytes of padding by which two events of a mark fill a batch, so that marks make tracks of their own."""


def marks(how_many: int) -> list[Mark]:
    """Marks that no other test has."""
    return [Mark(f"F{next(_numbers)} LT") for _ in range(how_many)]


def held_from_second(world: World, lives: list[Mark]) -> None:
    """Have marks held at the gate from their second event on, which the mended contract allows."""
    items = world.events(lives, each=5)
    for item in items[len(lives) : 2 * len(lives)]:
        world.poison(item, MENDABLE)
    world.send(items)


def test_a_deleted_queue_comes_back_and_gets_everything_in_order(world: World):
    """Events before, between and during the redrive: all in the queue, in order, once; others never noticed."""
    lives = marks(20)
    world.delete_queue("Police")
    world.send(world.events(lives, each=10))
    world.check()
    world.heal("Police")
    world.send(world.events(lives, each=10))
    world.check()
    world.write(world.events(lives, each=5))
    world.start_redrives("Police")
    world.send(world.events(lives, each=5))
    world.redrive("Police")
    world.check_all_received()


def test_two_redrives_at_once_one_of_them_stopped(world: World):
    """Two redrives started together, one stopped half way, while more arrive: the same outcome."""
    lives = marks(20)
    world.delete_queue("Police")
    world.send(world.events(lives, each=10))
    world.heal("Police")
    world.write(world.events(lives, each=3))
    world.start_redrives("Police", at_once=2)
    world.write(world.events(lives, each=2))
    world.stop_redrive()
    world.settle()
    world.check()
    world.redrive("Police")
    world.check_all_received()


def test_access_taken_and_given_back(world: World):
    """A queue that nobody may write to: parked, redriven once access is back."""
    lives = marks(12)
    world.take_access("Insurer")
    world.send(world.events(lives, each=3))
    world.check()
    world.heal("Insurer")
    world.redrive("Insurer")
    world.check_all_received()


def test_a_refused_mark_holds_up_only_itself_and_a_discard_lets_its_followers_go(world: World):
    """Its followers wait, the client's other marks flow; discarding it frees them, in order; others get it."""
    refused, *others = marks(15)
    items = world.events([refused, *others], each=4)
    world.refuse_events("Police", items[:1])
    world.send(items)
    world.check()
    assert world.held("Police") == {refused.name: world.put[refused.name]}
    world.heal("Police")
    world.start_discard("Police", refused.name)
    world.settle()
    world.check_all_received()
    assert world.received["Police"][refused.name] == world.put[refused.name][1:]
    assert world.received["Insurer"][refused.name] == world.put[refused.name]


@pytest.mark.parametrize("padding", [0, FILLS_A_BATCH], ids=["one track", "many tracks"])
def test_the_converter_killed_in_the_middle_of_an_invocation(world: World, padding: int):
    """All of it comes again, whatever each track had done; the queues drop what they have."""
    lives = marks(6 if padding else 30)
    before = len(world.session.executions.all())
    world.write(world.events(lives, each=5, padding=padding))
    until(lambda: len(world.session.executions.all()) > before, "the batch to be on its way")
    world.kill("Converter")
    world.settle()
    world.check_all_received()


@pytest.mark.parametrize("place", [0, 4], ids=["the first record fails", "a later record fails"])
def test_a_track_that_fails_for_long_repeats_nothing_of_the_others(world: World, place: int):
    """What has to be held of one mark cannot be: the stream waits; the others are delivered, once and for all."""
    lives = marks(5)
    items = world.events(lives, each=2, padding=FILLS_A_BATCH)
    world.poison(items[place])
    sound = [life for life in lives if life.name != items[place]["mark"]["S"]]

    def tried() -> int:
        return len(world.session.executions.all())

    def all_sound_received() -> bool:
        world.collect()
        received = [world.received[client][life.name] for client in world.queues() for life in sound]
        return all(len(events) == 2 for events in received)

    world.refuse_writes()
    world.write(items)
    until(all_sound_received, "the other tracks to deliver")
    world.forget_window()
    before = tried()
    until(lambda: tried() > before + 2, "the stream to bring the failed batch again and again")
    world.allow_writes()
    world.settle()
    world.mend()
    world.check_all_received()
    assert world.repeats == 0


def test_tracks_that_fail_by_turns_lose_nothing(world: World):
    """Executions of many tracks are not started, or their answers are lost: each mark's events come in order."""
    lives = marks(6)
    for fault in ("execution not started", "answer lost", "execution not started"):
        world.fail_next(fault, "machine", 3)
        world.write(world.events(lives, each=4, padding=FILLS_A_BATCH))
    world.settle()
    world.check_all_received()


def test_records_delivered_twice_in_the_window(world: World):
    """The same records again within five minutes: no queue holds anything twice."""
    world.send(world.events(marks(10), each=3))
    world.redeliver()
    world.check_all_received()
    assert world.repeats == 0


def test_records_delivered_again_after_the_window(world: World):
    """After five minutes repeats are delivered, never ahead of what comes first; ids and numbers tell."""
    lives = marks(10)
    world.send(world.events(lives, each=3))
    world.collect()
    world.forget_window()
    world.redeliver()
    world.send(world.events(lives, each=2))
    world.check_all_received()
    assert world.repeats == 30 * len(world.queues())


def test_a_table_of_parked_events_that_refuses_writes_for_a_while(world: World):
    """What has to be parked cannot be: the stream waits, and loses nothing."""
    lives = marks(10)
    world.take_access("Police")
    world.refuse_writes()
    before = len(world.session.executions.all())
    world.write(world.events(lives, each=2))
    until(lambda: len(world.session.executions.all()) > before, "the batch to be tried")
    world.settle()
    world.check()
    world.heal("Police")
    world.redrive("Police")
    world.check_all_received()


def test_a_poison_event_in_every_batch_holds_its_mark_and_no_other(world: World):
    """Each batch has an event that breaks the contract: held with its followers; once given up, they are delivered."""
    lives = marks(6)
    for _ in range(5):
        items = world.events(lives)
        world.poison(items[-1])
        world.send(items)
    world.check()
    assert world.held(GATE) == {lives[-1].name: world.put[lives[-1].name]}
    world.mend()
    world.check_all_received()
    assert not any(world.received[client][lives[-1].name] for client in world.queues())


def test_two_releases_at_once_one_of_them_stopped(world: World):
    """Marks held from their second event on, released twice at once while more arrive: all of it, in order, once."""
    lives = marks(20)
    held_from_second(world, lives)
    world.check()
    world.deploy_contract(mended=True)
    world.write(world.events(lives, each=3))
    world.start_redrives(GATE, at_once=2)
    world.write(world.events(lives, each=2))
    world.stop_redrive()
    world.settle()
    world.check()
    world.redrive(GATE)
    world.check_all_received()


def test_the_release_killed_in_the_middle(world: World):
    """What it had in hand is put through again, or stays held; the queues drop what they have."""
    lives = marks(20)
    held_from_second(world, lives)
    world.deploy_contract(mended=True)
    before = len(world.session.executions.all())
    world.start_redrives(GATE)
    until(lambda: len(world.session.executions.all()) > before, "the release to put a batch through")
    world.kill("Release")
    world.settle()
    world.check()
    world.redrive(GATE)
    world.check_all_received()


def test_a_release_while_a_queue_is_gone(world: World):
    """What is released waits for the client whose queue is gone, in order, and everybody else has it."""
    lives = marks(12)
    held_from_second(world, lives)
    world.delete_queue("Police")
    world.send(world.events(marks(3)))
    world.deploy_contract(mended=True)
    world.redrive(GATE)
    world.check()
    assert world.held(GATE) == {}
    assert world.held("Police").keys() >= {life.name for life in lives}
    world.heal("Police")
    world.redrive("Police")
    world.check_all_received()


def test_a_broken_event_while_the_table_refuses_writes(world: World):
    """What has to be held at the gate cannot be: the stream waits, and nothing passes the broken event."""
    lives = marks(10)
    world.refuse_writes()
    items = world.events(lives, each=3)
    for item in items[10:20]:
        world.poison(item, MENDABLE)
    before = len(world.session.executions.all())
    world.write(items)
    until(lambda: len(world.session.executions.all()) > before, "the batch to be tried")
    world.settle()
    world.check()
    assert world.held(GATE) == {life.name: world.put[life.name][1:] for life in lives}
    world.mend()
    world.check_all_received()
