"""Proves that the picture of the demo shows all that came and waited, tells no contents, and loads nothing.

It cannot prove that it is readable, nor that the facts are those of the deployed stack: test_commands.py runs the demo.
"""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from local.guarantees import Deployed, Verdict
from local.inspection import Execution, Held
from local.marks import Mark
from local.picture.collect import collect
from local.picture.facts import FOREIGN, Arrival, Event, Facts, Rule, Run, Step, Wait
from local.picture.page import page
from local.picture.paths import Path, path_of
from local.queues import Message
from local.stack import SCHEMAS
from local.story import Step as Told
from local.story import Written
from mark_event_queue.domain.attributes import json_object
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import GATE
from tests.builders import state_machine

START = 1_790_000_000_000
ZERO = 16.0
"""Where a drawing has its first moment."""
ENUM = Rule("/x/Status", "enum")
HOSTILE = '<script>alert("1")</script>&amp;\''


class Page(HTMLParser):
    """What a browser would find: tags with their attributes, texts, and the titles of shapes and bars by class."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.titles: list[tuple[str, str]] = []
        self._class = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        """Keep a tag with its attributes."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "g" or "class" in dict(attrs):
            self._class = dict(attrs).get("class") or ""

    def handle_data(self, data):
        """Keep a text, and whose title it is."""
        self.texts.append(data)
        if self.tags and self.tags[-1][0] == "title" and self._class:
            self.titles.append((self._class, data))

    def titles_of(self, kind: str) -> list[str]:
        """Return the titles of the groups of a class."""
        return [title for of, title in self.titles if kind in of.split()]


def event(number: int, mark: str = "AFC 6") -> Event:
    """The story's event of a number, written a second after the one before."""
    return Event(number, f"id-{number}", mark, "LockEvent", START + number * 1000)


def arrival(client: str, number: int, **changes) -> Arrival:
    """The arrival of that event, half a second later."""
    return replace(Arrival(client, f"id-{number}", START + number * 1000 + 500), **changes)


def facts(**changes) -> Facts:
    """Three events, which one client got as they came, another by release, redrive and as history."""
    events = [event(1), event(2, "B1 GAP"), event(3)]
    arrivals = [arrival("Insurer", number) for number in (1, 2, 3)]
    arrivals += [arrival("Archive", 1, is_history=True), arrival("Archive", 2), arrival("Archive", 3)]
    waits = [
        Wait(GATE, "id-2", START + 2100, START + 2400, "quarantined", "ContractBroken", [ENUM]),
        Wait("Archive", "id-3", START + 3100, START + 3500, "parked", "Sqs.QueueDoesNotExist"),
    ]
    run = Run(
        "run-1", "SUCCEEDED", START, 120, False, ["Archive", "Insurer"], ["id-1", "id-2", "id-3"], path_of(HISTORY)
    )
    sound = Facts(
        ["Insurer", "Archive"],
        events,
        arrivals,
        waits,
        [Step(START, "A step", "What happens in it.")],
        [run],
        [Verdict("order: nothing overtakes", [])],
        state_machine(),
        "today",
    )
    return replace(sound, **changes)


def entered(number: int, before: int, name: str, kind: str = "Task") -> dict:
    """The entry into a state, as a history tells it."""
    details = {"name": name}
    return {
        "id": number,
        "previousEventId": before,
        "type": f"{kind}StateEntered",
        "stateEnteredEventDetails": details,
    }


def began(number: int, before: int, name: str, index: int) -> dict:
    """The beginning of an iteration, as a history tells it."""
    details = {"name": name, "index": index}
    return {
        "id": number,
        "previousEventId": before,
        "type": "MapIterationStarted",
        "mapIterationStartedEventDetails": details,
    }


HISTORY = [
    {"id": 1, "type": "ExecutionStarted"},
    entered(2, 1, "Validate Events"),
    entered(3, 2, "Deliver To Clients", "Map"),
    began(4, 3, "Deliver To Clients", 0),
    began(5, 3, "Deliver To Clients", 1),
    entered(6, 4, "Send Round", "Map"),
    entered(7, 5, "Send Round", "Map"),
    began(8, 6, "Send Round", 0),
    entered(9, 8, "Send Wave"),
    {"id": 10, "previousEventId": 9, "type": "TaskFailed", "taskFailedEventDetails": {"error": "Sqs.Refused"}},
    entered(11, 10, "Wave Refused", "Pass"),
    {"id": 12, "previousEventId": 6, "type": "MapStateExited", "stateExitedEventDetails": {"name": "Send Round"}},
    entered(13, 12, "Park Events"),
    {
        "id": 14,
        "previousEventId": 3,
        "type": "MapStateExited",
        "stateExitedEventDetails": {"name": "Deliver To Clients"},
    },
    entered(15, 14, "Batch Handled", "Pass"),
]
"""An execution for two clients, the first of which refuses a wave."""


def test_every_event_that_came_is_there_once_for_its_client_and_says_how():
    """A shape for each arrival, in the way it came, with its number, type, mark and id."""
    shown = Page(page(facts()))
    found = {way: shown.titles_of(way) for way in ("live", "released", "redriven")}
    assert [len(titles) for titles in found.values()] == [2, 2, 1]
    assert sorted(title.split(",")[0] for titles in found.values() for title in titles) == [
        *["Event 1"],
        *["Event 2"] * 2,
        *["Event 3"] * 2,
    ]
    (history,) = [title for title in shown.titles_of("history") if title.startswith("Event")]
    assert history == "Event 1, LockEvent of AFC 6, id-1: history"
    assert "LockEvent of B1 GAP, id-2: released" in found["released"][0]


def test_events_that_came_at_once_stand_below_one_another_at_their_time():
    """A hundred events of a mark in one millisecond, then one much later: each at its time, none hidden, in order."""
    events = [event(number) for number in range(1, 102)]
    arrivals = [Arrival("Insurer", one.event_id, START + 5000) for one in events[:100]]
    arrivals.append(Arrival("Insurer", events[100].event_id, START + 10_000))
    drawn = page(facts(clients=["Insurer"], events=events, arrivals=arrivals, waits=[]))
    found = re.findall(r'<circle cx="([0-9.]+)" cy="([0-9]+)" r="8"/><text', drawn)
    places = [(float(x), int(y)) for x, y in found]
    assert len(places) == len(events)
    assert len({x for x, _ in places[:100]}) == 1
    assert all(below - above >= 17 for (_, above), (_, below) in pairwise(places[:100]))
    assert places[100] == (pytest.approx(2 * (places[0][0] - ZERO) + ZERO, abs=0.2), places[0][1])
    assert max(y for _, y in places) < max(
        int(height) for height in re.findall(r'<svg width="[0-9]+" height="(\d+)', drawn)
    )


def test_every_wait_has_its_reason_in_the_timeline_and_in_the_table():
    """A bar says from when until when and why, one at the gate in every client's row, too."""
    shown = Page(page(facts()))
    assert shown.titles_of("parked") == ["waited from 3.1 s until 3.5 s: parked: Sqs.QueueDoesNotExist"]
    at_gate = shown.titles_of("quarantined")
    assert len(at_gate) == 1 + len(facts().clients)
    broken = "Status: enum (/x/Status), breaks the contract"
    assert set(at_gate) == {f"waited from 2.1 s until 2.4 s: at the gate: {broken}"}
    assert shown.texts.count("parked: Sqs.QueueDoesNotExist") == 1
    assert f"released; had waited at the gate: {broken} (from 2.1 s on)" in shown.texts
    assert "<details open><summary>What waited (2)" in shown.html


@pytest.mark.parametrize(("seconds", "lines"), [(9, 1), (3, 2), (0.1, 2)])
def test_the_reason_is_never_cut_off(seconds, lines):
    """Where a bar is too short for one line it has two; where it is too short for these, they are beside it."""
    wait = Wait(
        "Archive", "id-3", START + 1000, START + 1000 + round(seconds * 1000), "parked", "Sqs.QueueDoesNotExist"
    )
    texts = Page(page(facts(waits=[wait], steps=[Step(START, "", ""), Step(START + 25_000, "", "")]))).texts
    assert ("QueueDoesNotExist, parked" in texts) == (lines == 1)
    assert ({"QueueDoesNotExist", "parked"} <= {*texts}) == (lines == 2)


def test_what_still_waits_is_told():
    """A wait without an end reaches to the end of the timeline and says that it goes on; the table counts them."""
    still = Wait("Archive", "id-3", START + 3100, None, "paused")
    shown = Page(page(facts(waits=[still], arrivals=facts().arrivals[:5])))
    assert shown.titles_of("paused") == ["waited from 3.1 s until now: paused"]
    assert "still waits" in shown.texts
    ended = Wait("Archive", "id-1", START + 1100, START + 1500, "paused")
    assert "1 of 2 still wait" in Page(page(facts(waits=[ended, still]))).texts


def test_waits_of_a_mark_that_go_over_into_one_another_are_one_bar():
    """What is held behind lengthens the bar; what waits anew later is a bar of its own."""
    waits = [
        Wait("Archive", "id-1", START + 1000, START + 3000, "parked", "A"),
        Wait("Archive", "id-3", START + 2000, START + 4000, "parked", "B"),
    ]
    assert Page(page(facts(waits=waits))).titles_of("parked") == ["waited from 1.0 s until 4.0 s: parked: A; parked: B"]
    apart = [waits[0], replace(waits[1], since=START + 3500)]
    assert len(Page(page(facts(waits=apart))).titles_of("parked")) == 2


def test_texts_are_escaped_and_drawings_are_sound():
    """Whatever marks, clients, reasons and names hold, it is text, and each drawing is well-formed XML."""
    hostile = facts(
        clients=[HOSTILE],
        events=[Event(1, HOSTILE, HOSTILE, HOSTILE, START)],
        arrivals=[Arrival(HOSTILE, HOSTILE, START + 1)],
        waits=[
            Wait(HOSTILE, HOSTILE, START, START + 1, HOSTILE, HOSTILE),
            Wait(GATE, HOSTILE, START, START + 1, "quarantined", HOSTILE, [Rule(HOSTILE, HOSTILE)]),
        ],
        steps=[Step(START, HOSTILE, HOSTILE)],
        runs=[Run(HOSTILE, HOSTILE, START, 1, False, [HOSTILE], [HOSTILE], path_of([entered(1, 0, HOSTILE)]))],
        verdicts=[Verdict(HOSTILE, [HOSTILE])],
        definition={"StartAt": HOSTILE, "States": {HOSTILE: {"Type": "Pass"}}},
        made=HOSTILE,
        shown=[Verdict(HOSTILE, [HOSTILE])],
        failure=HOSTILE,
    )
    html = page(hostile)
    shown = Page(html)
    assert "script" not in {tag for tag, _ in shown.tags}
    assert sum(HOSTILE in text for text in shown.texts) >= 12
    assert not re.search(r"<[a-z]+[^>]* on[a-z]+=", html)
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(drawings) >= 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)  # noqa: S314 - it is our own


def test_nothing_is_loaded_from_elsewhere():
    """No script, no link or source but data, no style from outside; the policy allows none either."""
    shown = Page(page(facts()))
    sources = [value for _, attributes in shown.tags for name, value in attributes.items() if name in ("src", "href")]
    assert sources == ["data:,"]
    assert {"script", "iframe", "object", "img", "use", "image", "base", "form"}.isdisjoint(
        tag for tag, _ in shown.tags
    )
    assert not re.search(r"https?:|@import|url\((?!#)", shown.html)
    policies = [attributes["content"] for tag, attributes in shown.tags if attributes.get("http-equiv")]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_contents_of_events_are_not_in_the_picture():
    """Of what was written, delivered and held only marks, ids, types, times and reasons arrive in the page."""
    mark = Mark("AFC 6")
    items = [mark.buy("Ann Example"), mark.move_house("22 Specimen Road", "Sampleford", "SA1 1SA")]
    attributes = [{"eventId": item["eventId"]["S"], "sequenceNumber": "1"} for item in items]
    messages = [
        Message(json_object(item), to_group_id("AFC 6"), told, START + 100)
        for item, told in zip(items, attributes, strict=True)
    ]
    ids = [message.event_id for message in messages]
    held = Held("Insurer", messages[1].event_id, START, "parked", "Sqs.QueueDoesNotExist", "[]", messages[0].event_id)
    story = SimpleNamespace(
        received={"Insurer": messages, "fan-out": messages},
        written=[Written(item, START) for item in items],
        steps=[Told(START, "A step", "What happens.")],
        watch=SimpleNamespace(seen={("Insurer", held.event_id): held}),
        contracts=[Deployed(SCHEMAS)],
        acts={},
    )
    entry = entered(1, 0, "Validate Events") | {"timestamp": datetime.fromtimestamp(START / 1000, UTC)}
    entry["stateEnteredEventDetails"]["input"] = json.dumps([message.body for message in messages])
    executions = SimpleNamespace(
        all=lambda: [Execution("run-1", "SUCCEEDED", False, ["Insurer"], ids, START, START + 9, 2, 0, 0, {})],
        history=lambda _: [entry],
        definition=state_machine,
    )
    html = page(collect(story, executions, [], datetime.now(UTC)))
    assert items[0]["eventId"]["S"] in html
    assert "AddressUpdateEvent of AFC 6" in html
    assert "redriven; had waited behind event 1, parked: Sqs.QueueDoesNotExist" in html
    contents = [
        "Ann Example",
        "01632 960001",
        "1 Sample Street",
        "Exampleton",
        "EX1 1EX",
        "22 Specimen Road",
        "SA1 1SA",
    ]
    assert [content for content in [*contents, "V750-", "299.5", "MARK_ASSIGNED"] if content in html] == []


def test_a_path_is_read_from_a_history():
    """What follows what, in which iteration, and where it failed; what comes behind a Map follows the Map."""
    path = path_of(HISTORY)
    assert [visit.name for visit in path.outside()] == ["Validate Events", "Deliver To Clients", "Batch Handled"]
    inside = {index: [visit.name for visit in visits] for index, visits in path.inside("Deliver To Clients").items()}
    assert inside == {0: ["Send Round", "Send Wave", "Wave Refused", "Park Events"], 1: ["Send Round"]}
    assert path.errors == {"Send Wave": "Sqs.Refused"}
    assert ("Send Wave", "Wave Refused") in path.ways
    assert ("Send Round", "Park Events") in path.ways
    assert ("Deliver To Clients", "Batch Handled") in path.ways


def test_the_graph_counts_executions_and_marks_what_failed():
    """Every state of the definition is there; of how many executions it was part, and of how many with an error."""
    runs = [facts().runs[0], replace(facts().runs[0], name="run-2", path=path_of(HISTORY[:3]))]
    shown = Page(page(facts(runs=runs)))
    states = shown.titles_of("state")
    assert "Validate Events: 2 executions" in states
    assert "Send Wave: 1 execution; Sqs.Refused in 1" in states
    assert shown.titles_of("failed") == ["Send Wave: 1 execution; Sqs.Refused in 1"]
    assert shown.titles_of("container") == [
        "Deliver To Clients: 2 executions",
        "Send Round: 1 execution, 2 times in all",
    ]
    assert shown.titles_of("catch") == ["Send Wave → Wave Refused: 1 execution"]
    assert [one["stroke-width"] for _, one in shown.tags if one.get("class") == "edge catch gone"] == ["2.5"]
    assert {"2", "1 of 1", "Forget Marks"} <= {*shown.texts}


def test_every_colour_that_the_picture_uses_is_given():
    """By its own style, or by the one that it has in common with the console."""
    (style,) = re.findall("<style>(.*)</style>", page(facts()), re.DOTALL)
    assert {*re.findall(r"var\((--[\w-]+)\)", style)} <= {*re.findall(r"(--[\w-]+):", style)}


def test_an_execution_says_what_it_carried_what_of_that_waited_and_by_which_path():
    """Whether an event waited is asked of the watch: a state that the whole batch goes through does not tell."""
    shown = Page(page(facts()))
    assert "0.0 s: 1 (AFC 6), 2 (B1 GAP), 3 (AFC 6) " in shown.texts
    waited = "2 held at the gate, Status: enum (/x/Status), breaks the contract; 3 held for Archive, parked: Sqs"
    assert any(text.startswith(waited) for text in shown.texts)
    assert "Send Wave ✕ Sqs.Refused" in shown.texts
    at_gate = path_of([entered(1, 0, "Hold At Gate")])
    live = replace(facts().runs[0], event_ids=["id-1"], path=at_gate)
    assert "nothing waited" in Page(page(facts(runs=[live]))).texts


def test_what_a_release_brings_is_not_said_to_be_held_at_the_gate():
    """Of its events those are told that wait for a client after it."""
    released = replace(facts().runs[0], released=True, event_ids=["id-2"], path=Path())
    shown = Page(page(facts(runs=[released])))
    assert "0.0 s: released 2 (B1 GAP) " in shown.texts
    assert "nothing waited" in shown.texts
    waits = [*facts().waits, Wait("Archive", "id-2", START + 2500, None, "history")]
    assert "held for Archive, history under way" in Page(page(facts(runs=[released], waits=waits))).texts


def test_a_client_to_whom_nothing_was_sent_is_told_of():
    """Its branch says so; that of a client to whom something was sent does not."""
    assert Page(page(facts())).texts.count("(nothing to send)") == 1


@pytest.mark.parametrize("found", [[], ["Insurer: id-1"]])
def test_a_broken_guarantee_is_told_with_what_speaks_against_it(found):
    """The verdict in the picture is that of the judge."""
    shown = Page(page(facts(verdicts=[Verdict("once: no event twice", found)])))
    assert ("✕ broken" if found else "✓ kept") in shown.texts
    assert ("Insurer: id-1" in shown.texts) == bool(found)


def test_what_a_step_did_not_show_is_told_and_so_is_what_ended_the_story():
    """Above the story, and above everything."""
    shown = Page(page(facts(shown=[Verdict("1 A step", ["nothing was seen"])], failure="no event came. Run it again.")))
    assert {"✕ not shown", "nothing was seen", "✕ The demo did not come to its end:"} <= {*shown.texts}
    assert " no event came. Run it again." in shown.texts
    assert not {"✕ not shown", "✕ The demo did not come to its end:"} & {*Page(page(facts())).texts}


def test_a_message_that_the_demo_did_not_write_is_shown_as_foreign():
    """In the timeline, in the legend and in the client's table, with its id; what is known of the others stays."""
    stranger = Arrival("Insurer", "id-of-others", START + 4000)
    shown = Page(page(facts(arrivals=[*facts().arrivals, stranger])))
    assert shown.titles_of(FOREIGN) == ["Event 0, nothing that the demo wrote of foreign, id-of-others: foreign"]
    assert "4 events came: 2 live, 1 released, 1 foreign" in shown.texts
    assert "id-of-others" in shown.texts
    assert FOREIGN in shown.texts
    assert FOREIGN not in Page(page(facts())).texts


def test_a_page_without_anything_is_a_page():
    """A story in which nothing happened draws nothing, and fails nothing."""
    assert "0 events, 0 clients" in page(Facts([], [], []))
