"""`make demo`: the real stack on this machine, a story of some marks, what each client got, and a verdict."""

import json
import sys
import time
from collections.abc import Sequence
from decimal import Decimal

from local import inspection
from local.engine import EngineError
from local.guarantees import Evidence, verdicts
from local.marks import Item, Mark
from local.queues import Message, drain
from local.session import Session, deployed
from local.stack import DeploymentError
from mark_event_queue.domain.held import GATE

_GONE = "Archive"


def story() -> list[Item]:
    """Return the events of some marks, one of which breaks the contract, in the order in which they happen."""
    afc6, afcf7, gap = Mark("AFC 6"), Mark("AFC F7", price=Decimal("1250")), Mark("B1 GAP", price=Decimal("0.1"))
    broken = gap.unlock()
    broken["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    return [
        afc6.lock(),
        afcf7.lock(),
        afc6.buy("Ann Example"),
        gap.lock(),
        afcf7.unlock(),
        afc6.move_house("22 Specimen Road", "Sampleford", "SA1 1SA"),
        broken,
        afcf7.lock(),
        afc6.nominate("Zoë Specimen"),
        afcf7.buy("Bob Instance"),
        gap.lock(),
        afc6.extend("2046-03-01T09:30:00Z"),
        afcf7.lose_certificate(),
    ]


def main() -> int:
    """Run the demo; return 0 if every guarantee held."""
    started = time.monotonic()
    print("Starting the real stack on this machine: no AWS account, no Docker.")
    with deployed("Insurer", _GONE, progress=True) as session:
        items = story()
        session.engine.client("sqs").delete_queue(QueueUrl=session.queues[_GONE])
        print(f"\n{_GONE}'s queue is deleted; its registration stays.")
        print(
            f"Putting {len(items)} events of 3 marks into the table, one of them with a Status that no mark can have …"
        )
        session.deliver(items)
        held = _report(session, items)
    verdict = "Every guarantee held" if held else "A guarantee did NOT hold"
    print(f"\n{verdict}, {time.monotonic() - started:.0f} s in all.")
    return 0 if held else 1


def _report(session: Session, items: Sequence[Item]) -> bool:
    order = {item["eventId"]["S"]: number for number, item in enumerate(items, start=1)}
    delivered: dict[str, list[Message]] = {
        client: drain(session.engine, url) if client != _GONE else [] for client, url in session.queues.items()
    }
    held = inspection.held(session.engine, session.outputs["ParkedEventsTableName"])
    at_gate = held.get(GATE, [])

    for client, messages in delivered.items():
        print(f"\n{client}: {len(messages)} delivered, {len(held.get(client, []))} parked")
        _print_by_mark([(message.event["mark"], message.body) for message in messages], order)
        for event in held.get(client, []):
            print(f"    parked  {_line(event['body'], order)}")
        reasons = inspection.reasons(session.engine, session.outputs["ParkedEventsTableName"], client)
        if reasons:
            print(f"    because {', '.join(reasons)}")

    print(f"\nHeld at the gate, for everybody: {len(at_gate)}")
    for event in at_gate:
        print(f"    {_line(event['body'], order)}")
        broken = json.loads(event.get("violations", "[]"))
        for violation in broken:
            print(f'        breaks "{violation["rule"]}" at {violation["path"]}')
        if not broken:
            print("        waits behind it")

    print("\nExecutions (one per batch)")
    for execution in session.executions.all():
        parked_for = ", ".join(f"{count} parked for {name}" for name, count in execution.parked.items() if count)
        print(
            f"    {execution.status}  {execution.name}  {execution.valid} valid, {execution.rejected} rejected, "
            f"{execution.behind} held behind, "
            f"to {len(execution.clients)} clients{f'; {parked_for}' if parked_for else ''}"
        )

    print("\nGuarantees, judged by what the queues hold")
    evidence = Evidence(
        items,
        delivered,
        {client: [event["eventId"] for event in events] for client, events in held.items() if client != GATE},
        [event["eventId"] for event in at_gate],
        failing=[_GONE],
    )
    judged = verdicts(evidence)
    for verdict in judged:
        print(f"    {'BROKEN' if verdict.found else 'held  '}  {verdict.guarantee}")
        for finding in verdict.found:
            print(f"            {finding}")
    return not any(verdict.found for verdict in judged)


def _print_by_mark(bodies: Sequence[tuple[str, str]], order: dict[str, int]) -> None:
    for mark in dict.fromkeys(mark for mark, _ in bodies):
        events = [json.loads(body) for of_mark, body in bodies if of_mark == mark]
        names = "  ".join(f"{order[event['eventId']]}:{event['eventName'].removesuffix('Event')}" for event in events)
        print(f"    {mark:<7} {names}")


def _line(body: str, order: dict[str, int]) -> str:
    event = json.loads(body)
    return f"{event['mark']:<7} {order[event['eventId']]}:{event['eventName'].removesuffix('Event')}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DeploymentError, EngineError) as error:
        sys.exit(f"make demo: {error}")
