"""What the validator makes of a batch: the plan of what may go on, and what has to be withheld."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import Contracts, Judgement, Violation
from mark_event_queue.domain.forgetting import NOTICE
from mark_event_queue.domain.held import violations_of
from mark_event_queue.domain.rounds import Entry, entry_of, plan
from mark_event_queue.domain.versions import pins_in, settled_by, told_by

_TOLD = 10


def validate(
    batch: Mapping[str, Any],
    clients: Sequence[Mapping[str, Any]],
    contracts: Contracts,
    hold_marks: bool,
) -> dict[str, Any]:
    """Return `{plan, withheld, counts, forgotten, held}` for a batch, `{events, held}`, or `{events, forgotten, held}`.

    Withheld are the events that break the contract, each with its violations, and, where marks are
    held, what follows one in its mark. Of the violations of an event all are told, unless that leaves
    the states of the execution no room beside the clients; then the first. Of marks to forget the plan has
    the notices. Of whom anything is held goes on as it came, and with it the pin that all of the plan satisfies.
    """
    forgotten = batch.get("forgotten", [])
    going = [_notice(one, contracts) for one in forgotten if one["tells"]]
    withheld: list[tuple[Mapping[str, str], Sequence[Violation]]] = []
    stuck: set[str] = set()
    for event in batch["events"]:
        judgement = _judge(event, contracts)
        if judgement.violations or event["groupId"] in stuck:
            withheld.append((event, judgement.violations))
        else:
            going.append(entry_of(event | told_by(judgement)))
        if judgement.violations and hold_marks:
            stuck.add(event["groupId"])
    rejected = sum(1 for _, violations in withheld if violations)
    answer = {
        "plan": plan(going),
        "withheld": [_withheld(event, violations) for event, violations in withheld],
        "counts": {
            "valid": len(batch["events"]) - len(withheld),
            "rejected": rejected,
            "behind": len(withheld) - rejected,
        },
        "forgotten": [{"groupId": one["groupId"], "createTimes": one["createTimes"]} for one in forgotten],
        "held": batch["held"] | {"recipients": [*batch["held"]["recipients"], *_settled(going, clients)]},
    }
    if rejected and len(json.dumps(answer)) > budget(clients):
        answer["withheld"] = [_withheld(event, violations[:1]) for event, violations in withheld]
    return answer


def summary(withheld: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return what a log says of withheld events: one line at most, with the commonest violations and the first ids."""
    if not withheld:
        return []
    violations = Counter(map(violations_of, withheld)).most_common(_TOLD)
    ids = [entry["MessageDeduplicationId"] for entry in withheld[:_TOLD]]
    return [{"events": len(withheld), "violations": dict(violations), "first_event_ids": ids}]


def _notice(forgotten: Mapping[str, Any], contracts: Contracts) -> Entry:
    return entry_of({**forgotten, **told_by(contracts.judge_notice(NOTICE))})


def _settled(going: Sequence[Entry], clients: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the pin, if a client has one, with which all that goes on is what that client may get."""
    pinned = pins_in(one["selects"] for one in clients)
    return [pin for pin in settled_by(going) if pin in pinned] if pinned else []


def _judge(event: Mapping[str, str], contracts: Contracts) -> Judgement:
    if "unfit" in event:
        return Judgement("", (), [Violation("", event["unfit"])])
    return contracts.judge(event["body"])


def _withheld(event: Mapping[str, str], violations: Sequence[Violation]) -> Entry:
    if "unfit" in event:
        return entry_of(event) | {"Unfit": event["unfit"]}
    if not violations:
        return entry_of(event)
    told = json.dumps([violation._asdict() for violation in violations], separators=(",", ":"))
    return entry_of(event) | {"Violations": told}
