"""Stream records to events: what a batch carries for each record, whatever the record looks like."""

import re
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from string import ascii_letters, digits, punctuation
from typing import Any, NamedTuple

from mark_event_queue.domain.attributes import NotAnAttributeError, json_object
from mark_event_queue.domain.order import text_of

# SQS API Reference, SendMessage: MessageGroupId and MessageDeduplicationId hold up to 128
# characters, letters, digits and punctuation. "%" is unsafe here because it is the escape.
_IDENTIFIER_LENGTH = 128
_ORDINARY_LENGTH = 40

# DynamoDB API Reference, StreamRecord: a sequence number has 21 to 40 digits.
_SEQUENCE_NUMBER_DIGITS = 40
_VIEWS_WITHOUT_IMAGE = ("KEYS_ONLY", "OLD_IMAGE")
_REASON_LENGTH = 200
LATE = "true"
"""What the message attribute `late` says; other events do not have it."""

HASHED = "%sha256:"
"""What an identifier begins with whose text would have been too long for SQS; no percent-encoding begins so."""
_UNSAFE = re.compile(f"[^{re.escape((ascii_letters + digits + punctuation).replace('%', ''))}]")


class Event(NamedTuple):
    """One event on its way: ids that SQS accepts, and the JSON text that no one re-serialises.

    `event_id` is the event's own id wherever SQS allows that as a de-duplication id. `sequence_number`
    is 40 digits wide, so that texts compare as the numbers do; `checkpoint` is the same as the stream
    spells it. `unfit` says why the record could not become an event; validation quarantines it. `late`:
    a replay brings it when later events of its mark may have been delivered already.
    """

    event_id: str
    mark: str
    group_id: str
    sequence_number: str
    body: str
    unfit: str = ""
    checkpoint: str = ""
    late: bool = False

    def as_input(self) -> dict[str, str]:
        """Return the event in the shape that the state machine's input names."""
        shape = {
            "eventId": self.event_id,
            "mark": self.mark,
            "groupId": self.group_id,
            "sequenceNumber": self.sequence_number,
            "body": self.body,
        }
        if self.unfit:
            shape["unfit"] = self.unfit
        if self.late:
            shape["late"] = LATE
        return shape


def text_of_event(event: Event) -> str:
    """Return the event as JSON, in the shape of `as_input`.

    Its body is ASCII without control characters: it is quoted by its quotation marks and backslashes, in a third of
    the time that an encoder takes to look at every character.
    """
    body = event.body.replace("\\", "\\\\") if "\\" in event.body else event.body
    body = body.replace('"', '\\"')
    more = f',"unfit":{quoted(event.unfit)}' if event.unfit else ""
    more += f',"late":"{LATE}"' if event.late else ""
    return (
        f'{{"eventId":{quoted(event.event_id)},"mark":{quoted(event.mark)},"groupId":{quoted(event.group_id)},'
        f'"sequenceNumber":{quoted(event.sequence_number)},"body":"{body}"{more}}}'
    )


def carries_event(record: Mapping[str, Any]) -> bool:
    """Tell whether a record stands for an event: only the removal of one does not."""
    return record.get("eventName") != "REMOVE"


def lacks_image(record: Mapping[str, Any]) -> bool:
    """Tell whether a record stands for an event that it does not hold, as of a stream of keys or old images only."""
    return carries_event(record) and not _change(record).get("NewImage")


def convert(record: Mapping[str, Any]) -> Event:
    """Return the event of a stream record; never fails, an unfit record becomes an unfit event."""
    change = _change(record)
    image = change.get("NewImage")
    keys = change.get("Keys")
    checkpoint = str(change.get("SequenceNumber", ""))
    mark = text_of(keys, "mark") or text_of(image, "mark")
    group_id = to_group_id(mark) if mark else to_group_id(f"no mark: {_digest(repr(keys))}")
    event_id = text_of(image, "eventId")
    try:
        if image:
            body, unfit = json_object(image), _missing(event_id, checkpoint)
        else:
            body, unfit = _key_body(keys), _without_image(change.get("StreamViewType"))
    except (NotAnAttributeError, RecursionError) as error:
        problem = quoted(str(error))[1:-1][:_REASON_LENGTH]
        body, unfit = _key_body(keys), f"the item cannot be written as JSON: {problem}"
    deduplication_id = to_deduplication_id(event_id or checkpoint)
    late = record.get("late") is True
    return Event(deduplication_id, mark, group_id, widened(checkpoint), body, unfit, checkpoint, late)


def _missing(event_id: str, checkpoint: str) -> str:
    if not event_id:
        return "the item has no eventId"
    return "" if checkpoint else "the record has no SequenceNumber"


def _without_image(view: Any) -> str:
    if view in _VIEWS_WITHOUT_IMAGE:
        return f"no new image: the stream's view is {view}, and has to be NEW_IMAGE or NEW_AND_OLD_IMAGES"
    return "no new image: the stream's view has to be NEW_IMAGE or NEW_AND_OLD_IMAGES"


def widened(checkpoint: str) -> str:
    """Return a sequence number as messages carry it: 40 digits, so that texts compare as numbers do."""
    return checkpoint.zfill(_SEQUENCE_NUMBER_DIGITS) if checkpoint else ""


def without_body(event: Event, record: Mapping[str, Any], unfit: str) -> Event:
    """Return the event with its table key for a body, and the reason why it cannot carry more."""
    body = _key_body(_change(record).get("Keys"))
    return event._replace(body=body, unfit=unfit)


def to_group_id(mark: str) -> str:
    """Return the SQS group id of a mark; two different marks never share one.

    What SQS does not allow is percent-encoded; a result that is too long gives way to a hash
    behind `HASHED`, which no percent-encoding can produce.
    """
    return _to_identifier(mark)


def to_deduplication_id(event_id: str) -> str:
    """Return the SQS de-duplication id of an event id."""
    return _to_identifier(event_id)


def _to_identifier(text: str) -> str:
    # What marks and event ids mostly are takes no look at every character.
    plain = text.replace("-", "").replace(" ", "")
    if plain.isalnum() and plain.isascii() and len(text) <= _ORDINARY_LENGTH:
        return text.replace(" ", "%20")
    encoded = _UNSAFE.sub(lambda unsafe: _percent_encoded(unsafe[0]), text)
    return encoded if 0 < len(encoded) <= _IDENTIFIER_LENGTH else f"{HASHED}{_digest(text)}"


@lru_cache(maxsize=256)
def _percent_encoded(character: str) -> str:
    return "".join([f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass")])


def _digest(text: str) -> str:
    from hashlib import sha256  # noqa: PLC0415 (hardly any text is too long, and the validator starts sooner without)

    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _change(record: Mapping[str, Any]) -> Mapping[str, Any]:
    change = record.get("dynamodb")
    return change if isinstance(change, dict) else {}


def _key_body(keys: Any) -> str:
    try:
        return f'{{"tableKey":{json_object(keys or {})}}}'
    except (NotAnAttributeError, RecursionError):
        return f'{{"tableKey":{quoted("unreadable")}}}'
