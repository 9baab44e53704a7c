"""What the validator makes of a batch: the lanes of the valid events, and the rejected ones."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import Contract, Violation
from mark_event_queue.domain.lanes import entry_of, plan

Rejected = dict[str, Any]


def validate(
    events: Sequence[Mapping[str, str]], clients: Sequence[Mapping[str, Any]], contract: Contract
) -> dict[str, Any]:
    """Return `{lanes, rejected, counts}` for the events of a batch.

    A rejected event keeps its body, group and de-duplication id and gains its violations: all of
    them, unless that leaves the states of the execution no room beside the clients; then the first.
    """
    judged = [(event, _judge(event, contract)) for event in events]
    lanes = plan(entry_of(event) for event, violations in judged if not violations)
    rejected = [_rejected(event, violations) for event, violations in judged if violations]
    counts = {"valid": len(events) - len(rejected), "rejected": len(rejected)}
    answer = {"lanes": lanes, "rejected": rejected, "counts": counts}
    if rejected and len(json.dumps(answer)) > budget(clients):
        answer["rejected"] = [_rejected(event, violations[:1]) for event, violations in judged if violations]
    return answer


def _judge(event: Mapping[str, str], contract: Contract) -> list[Violation]:
    if "unfit" in event:
        return [Violation("", event["unfit"])]
    return contract.violations(event["body"])


def _rejected(event: Mapping[str, str], violations: Sequence[Violation]) -> Rejected:
    return {
        "MessageBody": event["body"],
        "MessageGroupId": event["groupId"],
        "MessageDeduplicationId": event["eventId"],
        "SequenceNumber": event["sequenceNumber"] or "unknown",
        "Violations": json.dumps([violation._asdict() for violation in violations], separators=(",", ":")),
    }
