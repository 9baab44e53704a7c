"""Unit tier, `redrive.request`: proves that whoever asks for nonsense is told what to write, before anything happens.

Whether client and mark exist is not known here: test_redrive.py and test_clients.py cover that.
"""

import json
from typing import Any

import pytest

from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE
from mark_event_queue.redrive.request import parse

REDRIVE: dict[str, Any] = {
    "recipient": "archive",
    "atGate": False,
    "groupId": "",
    "action": "redrive",
    "all": False,
    "eventId": "",
    "sequenceNumber": "",
    "reason": "",
    "by": "",
    "dryRun": False,
    "discarded": 0,
    "after": "",
    "more": False,
}
RELEASE = {"recipient": GATE, "atGate": True, "action": "release"}
DISCARD = {"client": "archive", "action": "discard", "mark": "AFC 6", "reason": "sent by hand", "by": "jo"}


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ({"client": "archive"}, {}),
        ({"client": "archive", "action": "redrive", "all": False, "dryRun": False}, {}),
        (
            {"client": "c" * 60, "mark": "é" * 1_024},
            {"recipient": "c" * 60, "groupId": to_group_id("é" * 1_024)},
        ),
        (
            DISCARD | {"eventId": "1" * 128, "reason": "é" * 1_000, "by": "é" * 1_000},
            {
                "groupId": to_group_id("AFC 6"),
                "action": "discard",
                "eventId": "1" * 128,
                "reason": "é" * 1_000,
                "by": "é" * 1_000,
            },
        ),
        ({"client": "archive", "mark": "AFC 6"}, {"groupId": to_group_id("AFC 6")}),
        ({"client": "archive", "dryRun": True}, {"dryRun": True}),
        (DISCARD, {"groupId": to_group_id("AFC 6"), "action": "discard", "reason": "sent by hand", "by": "jo"}),
        (
            DISCARD | {"all": True, "eventId": "", "dryRun": True},
            {
                "groupId": to_group_id("AFC 6"),
                "action": "discard",
                "all": True,
                "reason": "sent by hand",
                "by": "jo",
                "dryRun": True,
            },
        ),
        ({"gate": True}, RELEASE),
        (
            {"gate": True, "client": "", "action": "release", "mark": "AFC 6"},
            RELEASE | {"groupId": to_group_id("AFC 6")},
        ),
        (
            {"gate": True, "action": "discard", "all": True, "reason": "sent by hand", "by": "jo"},
            RELEASE | {"action": "discard", "all": True, "reason": "sent by hand", "by": "jo"},
        ),
        ({"client": "archive", "gate": False}, {}),
    ],
)
def test_what_makes_sense_is_handed_on_in_full(asked, understood):
    """Every field has a value, so that no state reads one that is absent; the mark has become its group."""
    assert parse(asked).as_state() == REDRIVE | understood


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ([], '{"client": "<name>"}'),
        ("archive", '{"client": "<name>"}'),
        (None, '{"client": "<name>"}'),
        ({}, '{"client": "<name>"} or {"gate": true}'),
        ({"gate": False}, '{"client": "<name>"} or {"gate": true}'),
        ({"client": "archive", "gate": True}, "not both"),
        ({"client": "gate"}, 'the gate is no client: {"gate": true}'),
        ({"client": "archive", "gate": "yes"}, '"gate" has to be true or false'),
        ({"gate": True, "action": "redrive"}, "released, not redriven"),
        ({"client": "archive", "action": "release"}, "redriven, not released"),
        ({"gate": True, "all": True}, "a release takes all that is held anyway"),
        ({"gate": True, "eventId": "1"}, "a release takes events in order"),
        ({"client": ""}, '{"client": "<name>"}'),
        ({"client": None}, '"client" has to be a text'),
        (
            {"client": "archive", "Mark": "AFC 6"},
            "['action', 'all', 'by', 'client', 'dryRun', 'eventId', 'gate'",
        ),
        ({"client": "archive", "mark": 6}, '"mark" has to be a text'),
        ({"client": "archive", "mark": None}, '"mark" has to be a text'),
        ({"client": "archive", "action": "delete"}, '"action" is one of discard, redrive, release'),
        ({"client": "archive", "action": ["discard"]}, '"action" has to be a text'),
        ({"client": "archive", "dryRun": "yes"}, '"dryRun" has to be true or false'),
        ({"client": "archive", "dryRun": None}, '"dryRun" has to be true or false'),
        ({"client": "archive", "all": True}, '"all" is for a discard'),
        ({"client": "archive", "eventId": "1"}, '"eventId" is for a discard'),
        (DISCARD | {"all": 1}, '"all" has to be true or false'),
        (DISCARD | {"eventId": 1}, '"eventId" has to be a text'),
        (DISCARD | {"mark": ""}, '"mark" is empty; leave it out for all marks'),
        (DISCARD | {"mark": "", "all": True}, '"mark" is empty; leave it out for all marks'),
        ({"client": "archive", "mark": ""}, '"mark" is empty; leave it out for all marks'),
        ({"gate": True, "mark": ""}, '"mark" is empty; leave it out for all marks'),
        (DISCARD | {"all": True, "eventId": "1"}, '"eventId" is of one event, "all" of all: leave out one'),
        (DISCARD | {"reason": ""}, 'needs a "reason"'),
        (DISCARD | {"by": ""}, '"by"'),
        *[
            ({name: DISCARD[name] for name in DISCARD if name != absent}, f'"{absent}"')
            for absent in ("mark", "reason", "by")
        ],
    ],
    ids=json.dumps,
)
def test_what_makes_none_is_refused_with_what_to_write_instead(asked, advice):
    """The error names the field and what it may hold; nothing is guessed."""
    with pytest.raises(RedriveRequestError) as refused:
        parse(asked)

    assert advice in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("client", "c" * 61, '"client" has 61 characters; it may have 60'),
        ("mark", "é" * 1_025, '"mark" has 2,050 bytes; a mark has at most 2,048'),
        ("mark", "\ud800" * 683, '"mark" has 2,049 bytes; a mark has at most 2,048'),
        ("eventId", "1" * 129, '"eventId" has 129 characters; it may have 128'),
        ("reason", "x" * 1_001, '"reason" has 1,001 characters; it may have 1,000'),
        ("by", "x" * 1_001, '"by" has 1,001 characters; it may have 1,000'),
    ],
    ids=["client", "mark", "mark of surrogates", "eventId", "reason", "by"],
)
def test_a_text_beyond_its_bound_is_refused_with_the_bound(name, text, advice):
    """Records and states have room for texts of so many characters."""
    with pytest.raises(RedriveRequestError) as refused:
        parse(DISCARD | {name: text})

    assert str(refused.value) == advice


@pytest.mark.parametrize(
    ("asked", "needs_queue"),
    [
        ({"client": "archive"}, True),
        ({"client": "archive", "dryRun": True}, False),
        (DISCARD, True),
        (DISCARD | {"all": True}, False),
        ({"gate": True}, False),
    ],
)
def test_a_queue_is_needed_where_something_may_be_left_to_send(asked, needs_queue):
    """A client that is registered no more can be looked at, and given up, all the same; the gate has no queue."""
    assert parse(asked).needs_queue is needs_queue
