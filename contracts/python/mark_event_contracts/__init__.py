"""The contract of the events of vehicle registration marks: judge events, test consumers and producers."""

from mark_event_contracts.gate.contract import Violation
from mark_event_contracts.items import ItemError, body_of, item_of
from mark_event_contracts.judging import (
    CONTRACT_VERSION,
    LARGEST_EVENT_BYTES,
    ContractError,
    UnknownEventTypeError,
    read,
    validate,
    validate_item,
    violations,
)
from mark_event_contracts.published import Counterexample, Example, counterexamples, examples, notices

__all__ = [
    "CONTRACT_VERSION",
    "LARGEST_EVENT_BYTES",
    "ContractError",
    "Counterexample",
    "Example",
    "ItemError",
    "UnknownEventTypeError",
    "Violation",
    "body_of",
    "counterexamples",
    "examples",
    "item_of",
    "notices",
    "read",
    "validate",
    "validate_item",
    "violations",
]
