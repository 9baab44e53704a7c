"""Proves that the demo leaves a picture, and words, of whatever its story came to.

It cannot prove what the stack does: test_commands.py runs the demo.
"""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.demo import told
from local.guarantees import Deployed, Verdict
from local.marks import Mark
from local.picture.page import page
from local.stack import SCHEMAS
from local.story import Step, StoryError, Written

START = 1_790_000_000_000
JUDGED = [Verdict("order: nothing overtakes", [])]
GONE = EndpointConnectionError(endpoint_url="https://127.0.0.1:1")


class Executions:
    """The executions of a machine that carried nothing; or of an engine that is gone."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.asked = 0

    def all(self) -> list[object]:
        """Return none."""
        self.asked += 1
        if self._error:
            raise self._error
        return []

    def definition(self) -> dict[str, object]:
        """Return the definition of a machine with one state."""
        return {"StartAt": "Only State", "States": {"Only State": {"Type": "Pass"}}}


def story_that(error: Exception | None, reading: Exception | None = None) -> SimpleNamespace:
    """A story of one event, which ends so; and so does the reading of its queues."""

    def ending(with_error: Exception | None) -> None:
        if with_error:
            raise with_error

    return SimpleNamespace(
        tell=lambda: ending(error),
        read=lambda: ending(reading),
        received={"Insurer": []},
        written=[Written(Mark("AFC 6").lock(), START)],
        steps=[Step(START, "A step", "What happens.")],
        watch=SimpleNamespace(seen={}),
        contracts=[Deployed(SCHEMAS)],
        acts={},
    )


def test_a_story_that_came_to_its_end_is_judged():
    """No failure, and the judge's verdicts."""
    facts = told(story_that(None), Executions(), lambda: JUDGED)
    assert (facts.failure, facts.verdicts) == ("", JUDGED)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TimeoutError("waited 120 s in vain for 9 events to be handled"), "waited 120 s in vain for 9 events"),
        (StoryError("the history of Archive did not come: why\nand a second line."), "the history of Archive did not"),
        (ClientError({"Error": {"Code": "Denied", "Message": "No."}}, "SendMessage"), "the local engine did not do"),
        (GONE, "the local engine did not do what it was asked: Could not connect"),
    ],
)
def test_what_stops_a_story_is_told_in_a_line_and_what_there_is_is_drawn(error, said):
    """What did not come, what to do; the picture has the steps and events so far, and no verdict."""
    facts = told(story_that(error), Executions(), lambda: JUDGED)
    assert facts.failure.startswith(said)
    assert "Run it again" in facts.failure
    assert "\n" not in facts.failure
    assert ".." not in facts.failure
    assert facts.verdicts == []
    html = page(facts)
    assert "The demo did not come to its end" in html
    assert "What happens." in html
    assert "Only State" in html
    assert "1 event, 1 client." in html


@pytest.mark.parametrize(("reading", "executions"), [(GONE, Executions()), (None, Executions(GONE))])
def test_an_engine_that_is_gone_keeps_no_picture_from_being_drawn(reading, executions):
    """What is known without it is there, with the first failure."""
    facts = told(story_that(TimeoutError("first"), reading), executions, lambda: JUDGED)
    assert facts.failure.startswith("first")
    assert "could not be read" in facts.failure
    assert [event.mark for event in facts.events] == ["AFC 6"]


def test_a_fault_of_the_demo_itself_is_not_taken_for_one_of_the_stack(capsys):
    """It is told as that, with where it happened; what there is is drawn, too."""
    facts = told(story_that(KeyError("name")), Executions(), lambda: JUDGED)
    assert facts.failure == "a fault of the demo itself, KeyError: 'name'."
    assert [step.title for step in facts.steps] == ["A step"]
    assert "Traceback" in capsys.readouterr().err
