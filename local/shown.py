"""Whether each step of the demo's story showed what it says, judged by what was seen waiting and by what came."""

from collections.abc import Callable, Iterable, Sequence

from local.guarantees import Verdict
from local.picture.facts import Act, Arrival, Event, Facts, Wait
from local.story import LATE, LOST
from mark_event_queue.domain.held import GATE, HISTORY, PARKED

_TURNS = ("history", "redriven", "live")
"""In this order a mark's events come to a client that joins late."""


def shown(facts: Facts) -> list[Verdict]:
    """Judge each step of a story that was told to its end: `found` is what it says and was not seen."""
    return [
        Verdict(f"{number + 1} {step.title}", judge(facts, number))
        for number, (step, judge) in enumerate(zip(facts.steps, _JUDGES, strict=True))
    ]


def _ordinary_events(facts: Facts, number: int) -> list[str]:
    return _not_everywhere(facts, number, _written(facts, number))


def _somebody_joins_late(facts: Facts, _: int) -> list[str]:
    waits = [wait for wait in facts.waits if (wait.recipient, wait.reason) == (LATE, HISTORY)]
    return _unless(waits, f"nothing was seen waiting for the history of {LATE}")


def _contract_broken(facts: Facts, number: int) -> list[str]:
    waits = [wait for wait in _at_gate(facts) if wait.since < _end(facts, number)]
    held = {wait.event_id for wait in waits}
    others = [event for event in _written(facts, number) if event.event_id not in held]
    return [
        *_unless([wait for wait in waits if wait.rules], "nothing that breaks the contract was seen at the gate"),
        *_unless([wait for wait in waits if wait.behind], "nothing was seen at the gate behind another event"),
        *_unless(others, "no event of another mark was written"),
        *_not_everywhere(facts, number, others),
    ]


def _gate_released(facts: Facts, _: int) -> list[str]:
    waits = _at_gate(facts)
    held = {wait.event_id for wait in waits}
    released = {event_id for run in facts.runs if run.released for event_id in run.event_ids}
    came = [one for one in facts.arrivals if one.event_id in held]
    early = [one for one in came if not facts.widened or one.at < facts.widened]
    return [
        *[f"event {_number(facts, one)} came to {one.client} before the contract was widened" for one in early],
        *[f"event {_number(facts, one)} was carried by no release" for one in waits if one.event_id not in released],
        *_during(facts, "release", waits, [client for client in facts.clients if client != LATE]),
    ]


def _queue_lost(facts: Facts, _: int) -> list[str]:
    waits = _parked(facts)
    return [
        *_unless([wait for wait in waits if not wait.behind], f"nothing was seen parked for {LOST}"),
        *_unless([wait for wait in waits if wait.behind], f"nothing was seen held for {LOST} behind a parked event"),
    ]


def _queue_back(facts: Facts, _: int) -> list[str]:
    return _during(facts, "redrive", _parked(facts), [LOST])


def _history_came(facts: Facts, _: int) -> list[str]:
    came = [one for one in facts.arrivals if one.client == LATE]
    ways = {way: [one for one in came if facts.way(one) == way] for way in _TURNS}
    marks = {event.mark for event in facts.events}
    turns = {mark: [facts.way(one) for one in came if facts.event(one.event_id).mark == mark] for mark in marks}
    return [
        *_unless(ways["history"], f"nothing came to {LATE} as history"),
        *_unless(ways["redriven"], f"nothing came to {LATE} that had been held meanwhile, all of it as history"),
        *_unless(ways["live"], f"nothing came to {LATE} live"),
        *[
            f"{mark} did not come to {LATE} as history first, then what was held, then live"
            for mark, of_mark in sorted(turns.items())
            if (known := [way for way in of_mark if way in _TURNS]) != sorted(known, key=_TURNS.index)
        ],
        *_during(facts, "history", [], [LATE], since=min((one.at for one in ways["history"]), default=0)),
    ]


_JUDGES: Sequence[Callable[[Facts, int], list[str]]] = (
    _ordinary_events,
    _somebody_joins_late,
    _contract_broken,
    _gate_released,
    _queue_lost,
    _queue_back,
    _history_came,
)


def _during(facts: Facts, name: str, waits: Iterable[Wait], clients: Sequence[str], *, since: int = 0) -> list[str]:
    """Return what did not come to the clients while the execution of that name ran, and whether nothing else did.

    Of `waits` those count that were there when it began; it ran from `since` on where it had only waited before.
    """
    act = facts.acts.get(name)
    if act is None:
        return [f"the {name} did not end"]
    act = act._replace(began=max(act.began, since))
    came = {(one.client, one.event_id) for one in facts.arrivals if act.began <= one.at <= act.ended}
    return [
        *[
            f"event {_number(facts, wait)} did not come to {client} by the {name}"
            for wait in waits
            for client in clients
            if wait.since < act.began and (client, wait.event_id) not in came
        ],
        *_unless([one for one in came if one[0] in clients], f"nothing came by the {name}"),
        *_unless(_meanwhile(facts, act), f"nothing was written, and came to the other clients, while the {name} ran"),
    ]


def _meanwhile(facts: Facts, act: Act) -> list[Event]:
    """Return what was written and came to all who had nothing to wait for, between begin and end of an execution."""
    others = _others(facts)
    came = {(one.client, one.event_id) for one in facts.arrivals if one.at <= act.ended}
    since = [event for event in facts.events if event.written >= act.began]
    return [event for event in since if all((client, event.event_id) in came for client in others)]


def _not_everywhere(facts: Facts, number: int, events: Iterable[Event]) -> list[str]:
    """Return which events had not come to every client that is there from the beginning when the step ended."""
    clients = [client for client in facts.clients if client != LATE]
    end = _end(facts, number)
    came = {(one.client, one.event_id) for one in facts.arrivals if one.at <= end}
    return [
        f"event {event.number} did not come to {client} before the next step"
        for event in events
        for client in clients
        if (client, event.event_id) not in came
    ]


def _others(facts: Facts) -> list[str]:
    return [client for client in facts.clients if client not in (LOST, LATE)]


def _written(facts: Facts, number: int) -> list[Event]:
    return [event for event in facts.events if facts.steps[number].at <= event.written < _end(facts, number)]


def _end(facts: Facts, number: int) -> int:
    return facts.steps[number + 1].at if number + 1 < len(facts.steps) else facts.end + 1


def _at_gate(facts: Facts) -> list[Wait]:
    return [wait for wait in facts.waits if wait.recipient == GATE]


def _parked(facts: Facts) -> list[Wait]:
    return [wait for wait in facts.waits if (wait.recipient, wait.reason) == (LOST, PARKED)]


def _number(facts: Facts, one: Arrival | Wait) -> int:
    return facts.event(one.event_id).number


def _unless(seen: Sequence[object], missing: str) -> list[str]:
    return [] if seen else [missing]
