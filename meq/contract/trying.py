"""What becomes of an item that the producer would write: the message to a client, or the rules that it breaks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mark_event_queue.domain.batches import carry
from mark_event_queue.domain.budget import budget
from mark_event_queue.domain.contract import Contracts, IncompleteContractError, load
from mark_event_queue.domain.events import Event, carries_event
from mark_event_queue.domain.rounds import entry_of
from mark_event_queue.domain.versions import told_by
from meq.errors import OperatorError
from meq.table import Violation
from meq.text import safe

# Where `pip install` puts the schemas, and where a clone has them.
_PLACES = (Path(__file__).parent / "schemas", Path(__file__).parent.parent.parent / "schemas")
_NOT_YET = "0"


@dataclass(frozen=True)
class Message:
    """A message as SQS hands it over; of what the stream gives, such as the sequence number, there may be nothing."""

    body: str
    group_id: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Tried:
    """What becomes of an item: the message, or the rules that it breaks."""

    place: str
    """Where in the file it stands, empty where it is alone."""
    valid: bool
    violations: list[Violation]
    message: Message | None


def try_items(file: Path, schemas: Path | None) -> list[Tried]:
    """Return what becomes of each item in a file, by the contract in a folder, or else by that of this program.

    The file holds an item with DynamoDB's types, a record of the stream, what a function gets of the stream
    (`Records`), what `aws dynamodb` prints (`Item`, `Items`), or a list of such.

    Raises:
        OperatorError: the file or the contract cannot be read, or the file holds no item.
    """
    contracts = _contracts(schemas)
    found = dict(_items(_read(file)))
    if not found:
        raise OperatorError(f"{safe(str(file))} holds no item. {_WANTED}")
    return [_tried(place, item, contracts) for place, item in found.items()]


_WANTED = 'It has to hold one with DynamoDB\'s types, such as {"eventId": {"S": "…"}, …}, or a record of the stream.'


def _contracts(schemas: Path | None) -> Contracts:
    folder = schemas or next((place for place in _PLACES if place.is_dir()), _PLACES[0])
    try:
        return load(folder)
    except IncompleteContractError as error:
        raise OperatorError(f"{safe(str(error))}. Say where the contract is: --schemas FOLDER.") from error


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise OperatorError(f"{safe(str(file))} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise OperatorError(f"{safe(str(file))} is not JSON: {safe(str(error))}.") from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no value of JSON")


def _items(found: Any, place: str = "") -> list[tuple[str, Any]]:
    """Return the items in what was read, each with its place."""
    if isinstance(found, list):
        return [one for number, inner in enumerate(found) for one in _items(inner, f"{place}/{number}")]
    if not isinstance(found, Mapping):
        raise OperatorError(f"{place or 'What the file holds'} is no item. {_WANTED}")
    for name in ("Records", "Items"):
        if isinstance(found.get(name), list):
            return _items(found[name], f"{place}/{name}")
    if isinstance(found.get("Item"), Mapping) and not _is_attribute(found["Item"]):
        return _items(found["Item"], f"{place}/Item")
    return [(place, found)]


def _is_attribute(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in {"S", "N", "B", "M", "L", "BOOL", "NULL", "SS", "NS", "BS"}


def _tried(place: str, item: Mapping[str, Any], contracts: Contracts) -> Tried:
    is_record = isinstance(item.get("dynamodb"), Mapping) and not _is_attribute(item["dynamodb"])
    record = item if is_record else _record(item)
    if not carries_event(record):
        raise OperatorError(f"{place or 'The file'} is a removal, which carries no event: nothing is judged of it.")
    event = next(one.what for one in carry([record], budget([])) if isinstance(one.what, Event))
    judgement = contracts.judge(event.body)
    violations = [Violation(*one) for one in judgement.violations]
    if event.unfit:
        violations = [Violation("", event.unfit)]
    message = None if violations else _message(event, told_by(judgement))
    return Tried(place, not violations, violations, message)


def _record(item: Mapping[str, Any]) -> dict[str, Any]:
    keys = {name: item[name] for name in ("mark", "createTime") if name in item}
    return {"eventName": "INSERT", "dynamodb": {"NewImage": item, "Keys": keys, "SequenceNumber": _NOT_YET}}


def _message(event: Event, versions: dict[str, str]) -> Message:
    entry = entry_of(event.as_input() | versions)
    attributes = {name: value["StringValue"] for name, value in entry["MessageAttributes"].items()}
    if event.checkpoint == _NOT_YET:
        del attributes["sequenceNumber"]
    return Message(event.body, event.group_id, attributes)
