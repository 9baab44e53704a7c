"""`make demo`: the real stack on this machine, a story of some marks, what each client got, a verdict and a picture."""

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from textwrap import fill

from botocore.exceptions import BotoCoreError, ClientError

from local import inspection
from local.engine import EngineError
from local.guarantees import Evidence, Verdict, verdicts
from local.inspection import Executions
from local.picture.collect import collect
from local.picture.facts import FOREIGN, Arrival, Facts, Run, Wait
from local.picture.page import page
from local.session import Session, deployed
from local.shown import shown
from local.stack import ROOT, DeploymentError
from local.story import CLIENTS, Story, StoryError
from mark_event_queue.domain.held import GATE
from meq.errors import OperatorError
from meq.text import many

PICTURE = ROOT / "build" / "demo.html"
FAILURES = (DeploymentError, EngineError, StoryError, OperatorError, TimeoutError, BotoCoreError, ClientError)


def main() -> int:
    """Run the demo; return 0 if the story was told to its end, showed what it says, and every guarantee was kept."""
    started = time.monotonic()
    PICTURE.unlink(missing_ok=True)
    print("Starting the real stack on this machine: no AWS account, no Docker.")
    facts = _run()
    if not facts.failure:
        facts = replace(facts, shown=shown(facts))
    if facts.events:
        _report(facts)
    _write(page(facts))
    print(f"\nThe picture: build/demo.html. Open it in a browser: {PICTURE.as_uri()}", flush=True)
    if facts.failure:
        print(f"\nmake demo: {facts.failure}", file=sys.stderr)
        return 1
    missing = any(one.found for one in facts.shown)
    broken = any(one.found for one in facts.verdicts)
    verdict = "A guarantee was BROKEN" if broken else "Every guarantee was kept"
    told = "the story did NOT show all that it says" if missing else "the story showed what it says"
    print(f"\n{verdict}, {told}, {time.monotonic() - started:.0f} s in all.")
    return int(missing or broken)


def _run() -> Facts:
    try:
        with (
            deployed(*CLIENTS, progress=True) as session,
            tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder,
        ):
            story = Story(session, Path(folder))
            return told(story, session.executions, lambda: _judged(session, story))
    except FAILURES as error:
        return Facts([], [], [], failure=_in_words(error))


def told(story: Story, executions: Executions, judge: Callable[[], list[Verdict]]) -> Facts:
    """Tell a story; return what came of it: as far as it came, with what went wrong and unjudged, if anything did."""
    try:
        story.tell()
        return collect(story, executions, judge(), datetime.now(UTC))
    except Exception as error:  # the picture is drawn whatever it was
        failure = _in_words(error)
        if not isinstance(error, FAILURES):
            traceback.print_exc()
    with suppress(*FAILURES):
        story.read()
        return replace(collect(story, executions, [], datetime.now(UTC)), failure=failure)
    failure = f"{failure} The queues could not be read any more."
    return replace(collect(story, None, [], datetime.now(UTC)), failure=failure)


def _in_words(error: Exception) -> str:
    """Return what did not come, in a line (a deployment tells more), and what to do about it."""
    if isinstance(error, DeploymentError | EngineError):
        return str(error)
    said = str(error).partition("\n")[0]
    if not isinstance(error, FAILURES):
        return f"a fault of the demo itself, {type(error).__name__}: {said}."
    if isinstance(error, BotoCoreError | ClientError):
        said = f"the local engine did not do what it was asked: {said}"
    return f"{said.rstrip('.')}. Run it again; if it comes again, see in build/demo.html how far the story came."


def _judged(session: Session, story: Story) -> list[Verdict]:
    held = {
        recipient: [event["eventId"] for event in events]
        for recipient, events in inspection.held(session.engine, session.outputs["ParkedEventsTableName"]).items()
    }
    items = [written.item for written in story.written]
    at_gate = held.pop(GATE, [])
    written = {one.item["eventId"]["S"]: one.at for one in story.written}
    return verdicts(
        Evidence(
            items,
            story.received,
            held,
            at_gate,
            contracts=story.contracts,
            outages=story.outages,
            written=written,
        )
    )


def _report(facts: Facts) -> None:
    marks = dict.fromkeys(event.mark for event in facts.events)
    print(f"\nWhat was written: {many(len(facts.events), 'event')}")
    for mark in marks:
        names = [f"{one.number}:{one.name.removesuffix('Event')}" for one in facts.events if one.mark == mark]
        print(fill("  ".join(names), 110, initial_indent=f"    {mark:<7} ", subsequent_indent=" " * 12))
    for client in facts.clients:
        came = [arrival for arrival in facts.arrivals if arrival.client == client]
        waiting = [one for one in facts.waits if one.recipient == client and one.until is None]
        print(f"\n{client}: {len(came)} delivered, {len(waiting)} still held")
        for mark in marks:
            print(f"    {mark:<7} {_of_mark(facts, mark, came)}")
        if foreign := [one.event_id for one in came if facts.way(one) == FOREIGN]:
            print(f"    {FOREIGN}: {many(len(foreign), 'message')} that the demo did not write: {', '.join(foreign)}")

    print("\nWhat waited meanwhile")
    for (recipient, why), waits in facts.together(facts.waits).items():
        print(f"    {recipient:<8} {facts.numbers(waits)}: {why}")

    print(f"\nExecutions, one per batch: {len(facts.runs)}")
    for run in facts.runs:
        failed = "".join(f"; {state} failed: {error}" for state, error in run.path.errors.items())
        status = "" if run.status == "SUCCEEDED" else f"{run.status}, "
        released = "released " if run.released else ""
        told = f"{released}{facts.carried(run)}: {status}{_waited(facts, run)}{failed}"
        print(f"    {facts.seconds(run.at):>6}  {told}")

    _print_verdicts("The story, judged by what was seen waiting and by what came", facts.shown, "shown", "NOT SHOWN")
    _print_verdicts("Guarantees, judged by what the queues hold", facts.verdicts, "kept", "BROKEN")


def _waited(facts: Facts, run: Run) -> str:
    waited: dict[str, list[Wait]] = {}
    for wait in facts.waited(run):
        waited.setdefault(wait.recipient, []).append(wait)
    for_whom: dict[str, list[str]] = {}
    for recipient, waits in waited.items():
        whom = "at the gate" if recipient == GATE else f"for {recipient}"
        for_whom.setdefault(facts.which(run, waits), []).append(whom)
    return "; ".join(f"{which}held {' and '.join(whom)}" for which, whom in for_whom.items()) or "nothing waited"


def _print_verdicts(title: str, judged: Sequence[Verdict], good: str, bad: str) -> None:
    print(f"\n{title}")
    if not judged:
        print("    not judged: the story did not come to its end")
    for verdict in judged:
        print(f"    {bad if verdict.found else good:<{len(bad)}}  {verdict.guarantee}")
        for finding in verdict.found:
            print(f"    {'':<{len(bad)}}      {finding}")


def _of_mark(facts: Facts, mark: str, came: Sequence[Arrival]) -> str:
    """Return the events of a mark that came to a client, in that order; those that had to wait in brackets."""
    events = {event.event_id: event for event in facts.events if event.mark == mark}
    told = []
    for way, arrivals in groupby((one for one in came if one.event_id in events), facts.way):
        of_way = [events[one.event_id] for one in arrivals]
        numbers = " ".join(str(event.number) for event in of_way)
        told.append(numbers if way == "live" else f"({way}: {numbers})")
    return " ".join(told)


def _write(text: str) -> None:
    """Leave the picture, whole also where another demo leaves one at the same moment."""
    PICTURE.parent.mkdir(exist_ok=True)
    draft = PICTURE.with_name(f".demo-{os.getpid()}.html")
    draft.write_text(text, "utf-8")
    draft.replace(PICTURE)


if __name__ == "__main__":
    sys.exit(main())
