"""Unit tier, `redrive.request`: proves that whoever asks for nonsense is told what to write, before anything happens.

Whether client and mark exist is not known here: test_redrive.py and test_clients.py cover that.
"""

import json
from typing import Any

import pytest

from mark_event_queue.domain.errors import RedriveRequestError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.redrive.request import parse

REDRIVE: dict[str, Any] = {
    "client": "archive",
    "groupId": "",
    "action": "redrive",
    "all": False,
    "eventId": "",
    "reason": "",
    "by": "",
    "dryRun": False,
}
DISCARD = {"client": "archive", "action": "discard", "mark": "AFC 6", "reason": "sent by hand", "by": "jo"}


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ({"client": "archive"}, {}),
        ({"client": "archive", "action": "redrive", "mark": "", "all": False, "dryRun": False}, {}),
        ({"client": "archive", "mark": "AFC 6"}, {"groupId": to_group_id("AFC 6")}),
        ({"client": "archive", "dryRun": True}, {"dryRun": True}),
        (DISCARD, {"groupId": to_group_id("AFC 6"), "action": "discard", "reason": "sent by hand", "by": "jo"}),
        (
            DISCARD | {"all": True, "eventId": "1", "dryRun": True},
            {
                "groupId": to_group_id("AFC 6"),
                "action": "discard",
                "all": True,
                "eventId": "1",
                "reason": "sent by hand",
                "by": "jo",
                "dryRun": True,
            },
        ),
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
        ({}, '{"client": "<name>"}'),
        ({"client": ""}, '{"client": "<name>"}'),
        ({"client": None}, '"client" has to be a text'),
        ({"client": "archive", "Mark": "AFC 6"}, "known are ['action', 'all', 'by', 'client', 'dryRun', 'eventId'"),
        ({"client": "archive", "mark": 6}, '"mark" has to be a text'),
        ({"client": "archive", "mark": None}, '"mark" has to be a text'),
        ({"client": "archive", "action": "delete"}, '"action" is one of redrive, discard'),
        ({"client": "archive", "action": ["discard"]}, '"action" has to be a text'),
        ({"client": "archive", "dryRun": "yes"}, '"dryRun" has to be true or false'),
        ({"client": "archive", "dryRun": None}, '"dryRun" has to be true or false'),
        ({"client": "archive", "all": True}, '"all" is for a discard'),
        ({"client": "archive", "eventId": "1"}, '"eventId" is for a discard'),
        (DISCARD | {"all": 1}, '"all" has to be true or false'),
        (DISCARD | {"eventId": 1}, '"eventId" has to be a text'),
        (DISCARD | {"mark": ""}, 'needs the "mark"'),
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
