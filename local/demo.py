"""`make demo`: the real stack on this machine, a story of some marks, what each client got, a verdict and a picture."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from local import inspection
from local.engine import EngineError
from local.guarantees import Evidence, Verdict, verdicts
from local.picture.collect import collect
from local.picture.facts import Arrival, Facts, Wait
from local.picture.page import page
from local.session import Session, deployed
from local.stack import ROOT, DeploymentError
from local.story import CLIENTS, Story, StoryError
from mark_event_queue.domain.held import GATE
from meq.errors import OperatorError
from meq.text import many

PICTURE = ROOT / "build" / "demo.html"


def main() -> int:
    """Run the demo; return 0 if every guarantee held."""
    started = time.monotonic()
    print("Starting the real stack on this machine: no AWS account, no Docker.")
    with (
        deployed(*CLIENTS, progress=True) as session,
        tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder,
    ):
        story = Story(session, Path(folder))
        story.tell()
        judged = _judged(session, story)
        facts = collect(story, session.executions, judged, datetime.now(UTC))
    _report(facts)
    _write(page(facts))
    print(f"\nThe picture: build/demo.html. Open it in a browser: {PICTURE.as_uri()}")
    held = not any(verdict.found for verdict in judged)
    verdict = "Every guarantee held" if held else "A guarantee did NOT hold"
    print(f"\n{verdict}, {time.monotonic() - started:.0f} s in all.")
    return 0 if held else 1


def _judged(session: Session, story: Story) -> list[Verdict]:
    held = {
        recipient: [event["eventId"] for event in events]
        for recipient, events in inspection.held(session.engine, session.outputs["ParkedEventsTableName"]).items()
    }
    items = [written.item for written in story.written]
    at_gate = held.pop(GATE, [])
    return verdicts(Evidence(items, story.received, held, at_gate, contracts=story.contracts))


def _report(facts: Facts) -> None:
    for client in facts.clients:
        came = [arrival for arrival in facts.arrivals if arrival.client == client]
        waiting = [one for one in facts.waits if one.recipient == client and one.until is None]
        print(f"\n{client}: {len(came)} delivered, {len(waiting)} still held")
        for mark in dict.fromkeys(event.mark for event in facts.events):
            print(f"    {mark:<7} {_of_mark(facts, mark, came)}")

    print("\nWhat waited meanwhile")
    for (recipient, why), of_one in groupby(facts.waits, lambda wait: (wait.recipient, wait.why)):
        print(f"    {recipient:<8} {_numbers(facts, list(of_one))}: {why}")

    print(f"\nExecutions, one per batch: {len(facts.runs)}")
    for run in facts.runs:
        failed = "".join(f"; {state} failed: {error}" for state, error in run.path.errors.items())
        print(f"    {run.status}  {run.name}  {many(run.events, 'event')} to {len(run.clients)} clients{failed}")

    print("\nGuarantees, judged by what the queues hold")
    for verdict in facts.verdicts:
        print(f"    {'BROKEN' if verdict.found else 'held  '}  {verdict.guarantee}")
        for finding in verdict.found:
            print(f"            {finding}")


def _of_mark(facts: Facts, mark: str, came: Sequence[Arrival]) -> str:
    """Return the events of a mark that came to a client, in that order; those that had to wait in brackets."""
    events = {event.event_id: event for event in facts.events if event.mark == mark}
    told = []
    for way, arrivals in groupby((one for one in came if one.event_id in events), facts.way):
        of_way = [events[one.event_id] for one in arrivals]
        names = "  ".join(f"{event.number}:{event.name.removesuffix('Event')}" for event in of_way)
        told.append(names if way == "live" else f"({way}: {names})")
    return "  ".join(told)


def _numbers(facts: Facts, waits: Sequence[Wait]) -> str:
    numbers = {event.event_id: event.number for event in facts.events}
    return ", ".join(str(numbers[wait.event_id]) for wait in waits)


def _write(text: str) -> None:
    """Leave the picture, whole also where another demo leaves one at the same moment."""
    PICTURE.parent.mkdir(exist_ok=True)
    draft = PICTURE.with_name(f".demo-{os.getpid()}.html")
    draft.write_text(text, "utf-8")
    draft.replace(PICTURE)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DeploymentError, EngineError, StoryError, OperatorError) as error:
        sys.exit(f"make demo: {error}")
