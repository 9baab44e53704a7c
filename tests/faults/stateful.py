"""Random events, contracts, faults, releases, discards and redrives, generated from a number, against the model.

What happens next is decided by the number alone, never by what the stack did before: the same number brings
the same steps again. The stack need not meet them alike, it runs beside them. The model is in world.py, which
also says how a contract changes within a second.
"""

import inspect
import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from local.marks import Item, Mark
from mark_event_queue.domain.held import GATE
from tests.faults.world import CLIENTS, HOPELESS, MENDABLE, PASSING, World

STEPS_TO_QUIET = 20
"""After how many steps a history waits until all is quiet: what happens at once is what it is about."""

LARGE, PADDING = 2, 60_000
"""So many marks have large events, of so many bytes: four of them fill a batch."""

Passing = list[tuple[str, str, int, float]]
Chance = random.Random
DRAWN: dict[str, Callable[[Chance], Any]] = {
    "client": lambda chance: chance.choice(CLIENTS),
    "recipient": lambda chance: chance.choice([*CLIENTS, GATE]),
    "numbers": lambda chance: chance.sample(range(8), chance.randint(1, 8)),
    "few": lambda chance: chance.sample(range(8), chance.randint(0, 3)),
    "each": lambda chance: chance.randint(1, 6),
    "places": lambda chance: chance.sample(range(48), chance.randint(2, 6)),
    "calls": lambda chance: chance.randint(4, 24),
    "status": lambda chance: chance.choice([MENDABLE, HOPELESS]),
    "number": lambda chance: chance.randrange(8),
    "at_once": lambda chance: chance.randint(1, 2),
    "after": lambda chance: round(chance.uniform(0, 0.3), 3),
    "passing": lambda chance: [
        (*fault, chance.choice([1, 1, 1, 2, 4]), round(chance.uniform(0, 0.05), 3))
        for fault in chance.sample(PASSING, chance.randint(2, 6))
    ],
    "yes": lambda chance: chance.random() < 0.5,
}
"""How the arguments of steps are drawn, by their names."""

_histories = count()


def attack(world: World, number: int, steps: int) -> None:
    """Run the generated history that has a number, which decides it.

    Raises:
        AssertionError: the queues or the table hold something else than the model.
    """
    chance = random.Random(number)  # noqa: S311 (attacks, not secrets)
    history = History(world)
    told = [f"in history {number}, again by `python -m tests.faults --seed {number} --steps {steps} --seconds 1`:"]
    try:
        for step in range(1, steps + 1):
            happens = chance.choice(STEPS)
            drawn = {name: DRAWN[name](chance) for name in list(inspect.signature(happens).parameters)[1:]}
            told.append(f"{step}. {happens.__name__} {drawn}")
            happens(history, **drawn)
            world.keep_up()
            if step % STEPS_TO_QUIET == 0 or step == steps:
                told.append("all is quiet")
                world.settle()
                world.check()
        told.append("all is mended, released and redriven: everybody has everything but what was given up")
        world.mend()
        world.check_all_received()
    except Exception as error:
        error.add_note("\n".join(told))
        raise


class History:
    """What can happen to the stack; no step waits for what the one before it brought about."""

    def __init__(self, world: World) -> None:
        """Start with marks that no other history has."""
        world.begin()
        self.world = world
        name = next(_histories)
        self.marks = [Mark(f"H{name}N{mark}") for mark in range(8)]

    def arrive(self, items: list[Item], passing: Passing) -> None:
        """Events, and faults that meet them or whatever else comes next, and pass."""
        for fault in passing:
            self.world.fail_next(*fault)
        self.world.write(items)

    def next_events(self, numbers: list[int], each: int) -> list[Item]:
        """The next events of some of the marks; those of two are so large that tracks run side by side."""
        items = self.world.events([self.marks[one] for one in numbers], each)
        large = {mark.name for mark in self.marks[-LARGE:]}
        for item in items:
            if item["mark"]["S"] in large:
                item["padding"] = {"S": "x" * PADDING}
        return items

    def events_arrive(self, numbers: list[int], each: int, passing: Passing) -> None:
        """Events of some marks."""
        self.arrive(self.next_events(numbers, each), passing)

    def events_break_the_contract(
        self, numbers: list[int], each: int, places: list[int], status: str, passing: Passing
    ) -> None:
        """Events of some marks, some of which the contract that is deployed, or any contract, does not allow."""
        items = self.next_events(numbers, each)
        for place in {place % len(items) for place in places}:
            self.world.poison(items[place], status)
        self.arrive(items, passing)

    def contract_changes(self) -> None:
        """A contract that mends some of what is broken is deployed, or taken back."""
        self.world.deploy_contract(mended=not self.world.is_mended)

    def marks_are_refused(self, client: str, few: list[int]) -> None:
        """A queue refuses the events of some marks."""
        self.world.refuse_marks(client, [self.marks[one].name for one in few])

    def events_are_refused(self, client: str, numbers: list[int], each: int) -> None:
        """A queue refuses one event of each mark and nothing else: it would take the ones behind it, and meets them."""
        self.world.heal(client)
        items = self.next_events(numbers, each + 1)
        self.world.refuse_events(client, items[: len(numbers)])
        self.world.write(items)
        self.world.let_handle()

    def queue_is_deleted(self, client: str) -> None:
        """A queue is gone."""
        if client not in self.world.closed:
            self.world.delete_queue(client)

    def access_is_taken(self, client: str) -> None:
        """Nobody may write to a queue."""
        if client not in self.world.closed:
            self.world.take_access(client)

    def client_is_healed(self, client: str) -> None:
        """A client's queue is as it should be, and what waits for it is redriven."""
        self.world.heal(client)
        self.world.start_redrives(client)

    def redrive(self, recipient: str, at_once: int) -> None:
        """A redrive or a release, or two at once."""
        self.world.start_redrives(recipient, at_once)

    def redrive_is_stopped(self, recipient: str, after: float) -> None:
        """One of two redrives, or releases, is stopped half way."""
        self.world.start_redrives(recipient, at_once=2)
        time.sleep(after)
        self.world.stop_redrive()

    def held_is_given_up(self, recipient: str, number: int, yes: bool) -> None:
        """Of a mark that is held, at the gate or for a client, the first event is discarded, or every one."""
        if marks := list(self.world.held(recipient)):
            self.world.start_discard(recipient, marks[number % len(marks)], everything=yes)

    def redrive_is_killed(self, recipient: str, after: float) -> None:
        """The function that redrives, or the one that releases, dies while it does, now or the next time."""
        self.world.fail_next("kill", "Release" if recipient == GATE else "Redrive", 1, after)
        self.world.start_redrives(recipient)

    def converter_is_killed(self, numbers: list[int], each: int, after: float, passing: Passing) -> None:
        """The converter dies while events are on their way."""
        self.world.fail_next("kill", "Converter", 1, after)
        self.arrive(self.next_events(numbers, each), passing)

    def table_refuses_writes(self, numbers: list[int], each: int, calls: int, passing: Passing) -> None:
        """For so many calls nothing can be parked, held or let go, while events arrive."""
        self.world.fail_next("failed write", "table", calls)
        self.arrive(self.next_events(numbers, each), passing)

    def records_come_twice(self, yes: bool) -> None:
        """The whole history of the marks comes again, perhaps when the queues have forgotten it."""
        if any(self.world.put.values()):
            if yes:
                self.world.forget_window()
            self.world.redeliver()


STEPS = [
    what for name, what in vars(History).items() if name not in {"__init__", "arrive", "next_events"} and callable(what)
]
STEPS += [History.events_break_the_contract, History.events_are_refused] * 2  # the more often, the more it is about
