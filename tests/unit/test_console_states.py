"""Unit tier, the console's advice: proves that for each state and reason it says what to do, and offers just that."""

import html
import json

import pytest

from mark_event_queue.domain.held import GATE, HISTORY, OTHER_MAJOR, PARKED, PAUSED, PINNED
from meq.console.queues import Ages
from meq.stack import Stack
from tests.builders import client, entries
from tests.unit.test_console import (
    BucketFake,
    _fields,
    _links,
    _refused,
    _would,
    browser,
    moto,
    open_console,
    world,
)

__all__ = ["browser", "moto", "open_console", "world"]

UNREAD, MISSING = ("not read for 3 hours", "paused"), ("queue does not exist", "failed")
QUEUE = client("Police")["queueUrl"]
LATE = {"queueUrl": QUEUE, "from": "beginning"}


@pytest.mark.parametrize(
    ("depth", "age", "state", "attention"),
    [
        ((1, 0), 899.0, ("served", "succeeded"), set()),
        ((1, 0), 10_800.0, UNREAD, {"oldest:Police"}),
        ((0, 2), 10_800.0, UNREAD, {"oldest:Police"}),
        ((0, 0), 10_800.0, ("served", "succeeded"), set()),
        (_refused("AccessDenied", "X"), 0.0, ("depth not known", "neutral"), set()),
        (_refused("AccessDenied", "X"), 10_800.0, UNREAD, {"oldest:Police"}),
        (_refused("QueueDoesNotExist", "X"), 0.0, MISSING, {"queue:Police"}),
        (_refused("AWS.SimpleQueueService.NonExistentQueue", "X"), 0.0, MISSING, {"queue:Police"}),
    ],
)
def test_a_client_is_served_only_if_its_queue_is_there_and_read(browser, depth, age, state, attention):
    """Red is a queue that does not exist; one that these credentials may not ask is nothing to worry about."""
    browser.queues.depths["MarkFanOutClient-Police.fifo"] = depth
    browser.metrics.answer = age
    told = browser.get("/counts.json").json
    police = told["states"]["Police"]
    assert (police["text"], police["gravity"]) == state
    assert {name for name, one in told["counts"].items() if one["attention"]} == attention
    assert html.escape(police["todo"], quote=False) in browser.text("/clients")
    assert bool(police["todo"]) == (state[1] != "succeeded")


def test_the_age_of_messages_is_asked_for_once_a_minute(browser):
    """CloudWatch has a value a minute, and each look at it is billed: the overview refreshes more often."""
    now = 0.0
    ages = Ages(Stack("mark-event-queue", browser.world), lambda: now)
    browser.metrics.answer = 1.0
    assert ages.of(["a/q"]) == {"a/q": 1.0}
    browser.metrics.answer = 2.0
    assert ages.of(["a/q"]) == {"a/q": 1.0}
    assert ages.of(["a/q", "a/new"])["a/new"] == 2.0
    browser.metrics.answer, now = 3.0, 61.0
    assert ages.of(["a/q", "a/new"])["a/q"] == 3.0


def test_of_a_full_bucket_the_overview_reads_one_page(browser):
    """It is asked for every five seconds."""
    browser.world.services["s3"] = BucketFake(1_000, more=True)
    count = browser.get("/counts.json").json["counts"]["undelivered"]
    assert count == {"text": "1,000 or more", "attention": True}


@pytest.mark.parametrize(
    ("held", "said", "todo", "buttons"),
    [
        (
            (PARKED, "Sqs.QueueDoesNotExistException"),
            {},
            "make it again under the same name",
            ["redrive"],
        ),
        ((PARKED, "Sqs.AccessDenied"), {}, "have its policy or its key mended, then redrive", ["redrive"]),
        ((PARKED, "Sqs.OverLimit"), {}, "or have its team do so; then redrive", ["redrive"]),
        ((PAUSED, ""), {}, "It was resumed, and its queue refused", ["redrive"]),
        ((PAUSED, ""), {"paused": True}, "Resume it when it can take events again", ["resume"]),
        ((HISTORY, ""), {}, "Its history is over, and this has not followed", ["redrive"]),
        ((HISTORY, ""), LATE, "Its history has not begun", ["history"]),
        ((PINNED, OTHER_MAJOR), {}, "It gave its pin up, and nothing started the redrive", ["redrive"]),
        ((PINNED, OTHER_MAJOR), {"major": 1}, "It waits for another pin, or none", ["redrive"]),
        ((PARKED, "E"), {"queueUrl": 7}, "have its team mend the registration", []),
    ],
)
def test_what_to_do_is_said_for_each_reason(browser, held, said, todo, buttons):
    """On the list and on the sequence; instead of a redrive that must fail there is what ends what is in its way."""
    browser.world.register("Police", json.dumps({"queueUrl": QUEUE} | said))
    browser.world.table.hold("Police", [entries(["AFC 6"])], *held)
    for address in ("/waiting", "/sequence?recipient=Police&mark=AFC+6"):
        page = browser.text(address)
        assert todo in html.unescape(page)
        offered = [form["verb"] for form in _fields(page) if "verb" in form]
        assert sorted(set(offered)) == buttons
        assert any("mark=AFC" in link for link in _links(page, "/do/discard?recipient=Police"))


def test_of_a_client_that_has_gone_things_can_only_be_given_up(browser):
    """All of them: what follows a single event could not be delivered."""
    browser.world.park("Gone", entries(["AFC 6"] * 2))
    page = browser.text("/waiting")
    assert "It has unsubscribed" in page
    assert [form for form in _fields(page) if "verb" in form] == []
    (_, link) = _links(page, "/do/discard?recipient=Gone")
    asking = browser.text(link)
    assert ('type="radio"' in asking, 'name="scope" value="all"' in asking) == (False, True)
    browser.machines.answers = [_would(0, 2)]
    told = browser._errand(browser.post("/try", **_fields(asking)[0] | {"reason": "gone", "by": "jo"}))
    assert "Would discard <strong>2</strong>" in browser.text(told)


def test_what_the_gate_holds_says_what_to_do(browser):
    """Producer, contract, release, or discard; and which executions there were when it began."""
    browser.world.quarantine(entries(["AFC 6"] * 2))
    page = browser.text("/sequence?recipient=gate&mark=AFC+6")
    assert "Have the producer mended, or the contract if the producer is right; then release." in page
    assert "The others wait behind it" in page
    (link,) = _links(page, "/executions?at=")
    browser.machines.executions = []
    assert "Those that were under way around" in browser.text(link)


@pytest.mark.parametrize("recipient", ["", "Police", GATE])
def test_a_mark_typed_a_little_differently_is_suggested(browser, recipient):
    """That nothing is held of what was typed is no all-clear."""
    browser.world.park(recipient or "Police", entries(["AFC 6"]))
    page = browser.text(f"/waiting?recipient={recipient}&mark=afc6")
    assert "note good" not in page
    assert "Did you mean" in page
    assert any("mark=AFC+6" in link for link in _links(page, "/waiting?"))
    other = browser.text(f"/waiting?recipient={recipient}&mark=X+1")
    assert ("note good" in other, "Did you mean" in other) == (False, False)
