"""Proves the guarantees on what the queues really hold while the deployed stack is attacked from outside.

The faults that MiniStack cannot produce stand between it and the application (engine_process.py).
Reported batch item failures bring the whole batch again here, where AWS brings it from the reported
record on. Nothing here ran against AWS.
"""

from itertools import count

import pytest

from local.marks import Mark
from local.queues import until
from meq import redrive
from meq.held import HeldEvents
from tests.faults.world import World

_numbers = count()


def marks(how_many: int) -> list[Mark]:
    """Marks that no other test has."""
    return [Mark(f"F{next(_numbers)} LT") for _ in range(how_many)]


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
    """Its followers wait, `held` says so, the client's other marks flow; discarding it frees them, in order."""
    refused, *others = marks(15)
    items = world.events([refused, *others], each=4)
    world.refuse_events("Police", items[:1])
    world.send(items)
    world.check()
    operated = world.session.operated
    (sequence,) = HeldEvents(operated).all()
    assert (sequence.recipient, sequence.mark, sequence.events) == ("Police", refused.name, 4)
    assert sequence.first_event_id == world.put[refused.name][0]

    world.heal("Police")
    asked = redrive.Asked("Police", refused.name, discard=True, by="a test", reason="refused")
    assert redrive.wait(operated, asked, redrive.start(operated, asked)).done
    world.collect()
    assert world.received["Police"][refused.name] == world.put[refused.name][1:]
    world.put[refused.name].pop(0)
    for client in world.queues():
        world.received[client][refused.name] = list(world.put[refused.name])
    assert list(HeldEvents(operated).all()) == []


def test_the_converter_killed_in_the_middle_of_a_batch(world: World):
    """The batch comes again; the queues drop what they have."""
    lives = marks(30)
    before = len(world.session.executions.all())
    world.write(world.events(lives, each=5))
    until(lambda: len(world.session.executions.all()) > before, "the batch to be on its way")
    world.kill_converter()
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


@pytest.mark.parametrize("rounds", [5])
def test_a_poison_event_in_every_batch(world: World, rounds: int):
    """Each batch has an event that breaks the contract: quarantined, the others delivered."""
    lives = marks(6)
    for _ in range(rounds):
        world.send(world.events(lives, poison=True))
    world.check_all_received()
