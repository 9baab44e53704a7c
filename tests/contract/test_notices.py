"""Contract tier, notices: proves that what clients are told that is no event is what its published schema says."""

import json

import jsonschema
import jsonschema_rs
import pytest

from mark_event_queue.domain.contract import load
from mark_event_queue.domain.forgetting import forgotten_by
from tests.builders import EXAMPLES, SCHEMAS, removal

SCHEMA = json.loads((SCHEMAS / "ForgottenNotice.json").read_text("utf-8"))


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*Notice/*.json")), ids=lambda path: path.stem)
def test_examples_are_valid_for_every_validator(example):
    """The folder's name is that of the schema."""
    notice = json.loads(example.read_text("utf-8"))

    assert example.parent.name == SCHEMA["title"]
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(notice)
    assert jsonschema_rs.Draft202012Validator(SCHEMA).is_valid(notice)


@pytest.mark.parametrize("broken", [{}, {"notice": "forgotten"}, {"notice": "gone", "mark": "A"}, {"mark": "A"}])
def test_what_is_no_notice_is_none(broken):
    """A notice says what it is, and of which mark."""
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(broken)


@pytest.mark.parametrize("mark", ["AFC 6", 'Ä\n"', "x" * 2_000])
def test_what_is_sent_is_what_is_published(mark):
    """Whatever the mark looks like."""
    sent = json.loads(forgotten_by(removal(1, mark)).as_input()["body"])

    assert jsonschema_rs.Draft202012Validator(SCHEMA).is_valid(sent)
    assert sent["mark"] == mark


def test_a_notice_is_no_event():
    """The contract of events refuses it, and knows no event type of its name."""
    contract = load(SCHEMAS.parent)

    assert contract.judge('{"notice":"forgotten","mark":"AFC 6"}').violations
    assert "ForgottenNotice" not in contract.event_names
