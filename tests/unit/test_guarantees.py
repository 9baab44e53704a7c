"""Proves that the judge of the guarantees, which the demo and the end-to-end tests trust, finds each way to break one.

It cannot prove that the judge is handed what really is in the queues.
"""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from local.guarantees import Deployed, Evidence, Outage, verdicts
from local.marks import Item, Mark
from local.queues import Message
from local.stack import SCHEMAS
from mark_event_queue.domain.attributes import json_object
from mark_event_queue.domain.events import to_group_id


def message(item: Item, number: int, body: str | None = None) -> Message:
    """The message that a client gets for an item which the stream numbered so."""
    attributes = {"eventId": item["eventId"]["S"], "sequenceNumber": str(number)}
    return Message(body or json_object(item), to_group_id(item["mark"]["S"]), attributes)


def sound_evidence() -> Evidence:
    """Three events of a mark: delivered to one client, delivered and parked for another."""
    mark = Mark("AFC 6")
    items = [mark.lock(), mark.unlock(), mark.buy("Ann Example")]
    messages = [message(item, number) for number, item in enumerate(items, start=100)]
    ids = [item["eventId"]["S"] for item in items]
    return Evidence(items, {"a": messages, "b": messages[:1]}, {"b": ids[1:]}, [], failing=["b"])


def broken(evidence: Evidence) -> set[str]:
    """The first words of the guarantees that the evidence breaks."""
    return {verdict.guarantee.split(":")[0] for verdict in verdicts(evidence) if verdict.found}


def with_delivered(change: Callable[[list[Message]], list[Message]]) -> Evidence:
    """The sound evidence with other messages in the first client's queue."""
    sound = sound_evidence()
    return replace(sound, delivered=dict(sound.delivered) | {"a": change(list(sound.delivered["a"]))})


def reworded(old: str, new: str) -> Evidence:
    """The sound evidence with another text in the first client's first message."""
    return with_delivered(lambda got: [replace(got[0], body=got[0].body.replace(old, new)), *got[1:]])


def test_sound_evidence_breaks_nothing():
    """Delivered in order and parked behind: every guarantee holds."""
    assert broken(sound_evidence()) == set()


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (with_delivered(lambda got: [got[1], got[0], got[2]]), {"order"}),
        (with_delivered(lambda got: got[:2]), {"nothing lost", "nobody blocked"}),
        (with_delivered(lambda got: [*got, got[2]]), {"order", "once"}),
        (reworded('"LockEvent"', '"UnLockEvent"'), {"exact"}),
        (reworded("MARK_AVAILABLE", "SOLD"), {"contract", "exact"}),
        (reworded("299.5", "299.50000000000000001"), {"exact"}),
        (replace(sound_evidence(), failing=[]), {"nobody blocked"}),
        (replace(sound_evidence(), parked={}), {"nothing lost"}),
    ],
    ids=["overtaken", "lost", "repeated", "retyped", "invalid", "a digit off", "blocked", "neither sent nor parked"],
)
def test_each_fault_is_found(evidence: Evidence, expected: set[str]):
    """A fault in what the queues hold breaks the guarantee that it is a fault of, and no other."""
    assert broken(evidence) == expected


def test_an_earlier_event_parked_behind_a_delivered_one_is_found():
    """Delivering an event past a parked one of its mark breaks the order."""
    sound = sound_evidence()
    evidence = replace(
        sound,
        delivered=dict(sound.delivered) | {"b": [sound.delivered["a"][1]]},
        parked={"b": [sound.items[0]["eventId"]["S"], sound.items[2]["eventId"]["S"]]},
    )
    assert broken(evidence) == {"order"}


def test_an_event_both_delivered_and_quarantined_is_found():
    """Each event ends in exactly one way for each client."""
    sound = sound_evidence()
    evidence = replace(sound, quarantined=[json.loads(sound.delivered["a"][0].body)["eventId"]])
    assert "nothing lost" in broken(evidence)


def test_an_event_is_judged_by_the_contract_of_when_it_came():
    """Valid by a version that came later than the event: it should not have been let through."""
    sound = sound_evidence()
    came = [replace(message, sent=1_000) for message in sound.delivered["a"]]
    evidence = replace(sound, delivered=dict(sound.delivered) | {"a": came, "b": []}, parked={"b": sound.ids()})
    assert broken(replace(evidence, contracts=[Deployed(SCHEMAS, 1_000)])) == set()
    assert broken(replace(evidence, contracts=[Deployed(SCHEMAS, 1_001)])) == {"contract"}


def test_what_comes_only_with_another_clients_queue_is_found():
    """While a queue is gone, what is written has come to everybody else before it is there again."""
    sound = sound_evidence()
    first, second, third = sound.ids()
    came = [replace(message, sent=number * 1_000) for number, message in enumerate(sound.delivered["a"], start=1)]
    evidence = replace(
        sound, delivered=dict(sound.delivered) | {"a": came}, written={first: 900, second: 1_900, third: 2_900}
    )
    assert broken(replace(evidence, outages=[Outage("b", 1_500, 2_500)])) == set()
    assert broken(replace(evidence, outages=[Outage("b", 1_500, 2_000)])) == {"nobody blocked"}
    assert broken(replace(evidence, outages=[Outage("b", 1_500, 2_000, waiting=["a"])])) == set()


def test_a_message_that_nobody_wrote_is_found():
    """Without the attributes of an event, too: it is told, and the judge goes on."""
    foreign = Message("no JSON", "group", {})
    assert broken(with_delivered(lambda got: [*got, foreign])) == {"exact"}
