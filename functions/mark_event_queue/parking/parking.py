"""What parking does with a plan, apart from storing."""

from collections.abc import Mapping
from typing import Any

from mark_event_queue.domain.held import PARKED
from mark_event_queue.domain.holding import HeldEvents
from mark_event_queue.domain.rounds import Entry, Plan, part, sequences_of


def park(request: Mapping[str, Any], store: HeldEvents) -> Plan:
    """Park what a round could not deliver, with all that must not overtake it; return the plan that can go on.

    `request` is `{client, plan, sent}`, and `sent` is `{lost, errors, resent: {refused, errors}}`: the Ids of each wave
    whose call failed, or null when there was no time for the round, and those of single entries that SQS went on
    refusing, each beside its error.
    """
    errors = errors_by_id(request["sent"])
    parting = part(request["plan"], errors)
    by_error: dict[str, list[list[Entry]]] = {}
    for sequence in sequences_of(parting.parked):
        error = request["sent"]["errors"][0] if errors is None else errors[sequence[0]["Id"]]
        by_error.setdefault(error, []).append(sequence)
    for error, sequences in by_error.items():
        store.hold(request["client"], sequences, PARKED, error)
    return parting.plan


def errors_by_id(sent: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what refused each entry that was not accepted, by its Id; None when that is the whole round."""
    if sent["lost"] is None:
        return None
    of_calls = {one: error for ids, error in zip(sent["lost"], sent["errors"], strict=True) for one in ids}
    return of_calls | dict(zip(sent["resent"]["refused"], sent["resent"]["errors"], strict=True))
