"""How held sequences change: a sequence's own item and its events, together in one transaction."""

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from mark_event_queue.adapters.aws import AwsError, name_of
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.held import PINNED, mark_of, violations_of
from mark_event_queue.domain.rounds import MAY_BE_TOLD, Entry, number_of, place_of, told

# DynamoDB API Reference, TransactWriteItems: 100 actions and 4 MB, of which the events of one
# execution (below 256 KiB) are far.
_ACTIONS_PER_WRITE = 100
_VERSION_BITS = 63

# Two writers of one sequence at the same moment: the later one tries again, after a little while.
ATTEMPTS = 6
_PAUSE_SECONDS = 0.02

FIRST_IS = "firstNumber = :number, firstEventId = :eventId, violations = :violations"
_FIRST_IS_STILL = (
    "firstNumber = if_not_exists(firstNumber, :number), firstEventId = if_not_exists(firstEventId, :eventId), "
    "violations = if_not_exists(violations, :violations)"
)
# Said, not left out: what is held behind then does not pass for the first, and nothing for an earlier event.
_FIRST_UNKNOWN = {":number": {"S": ""}, ":eventId": {"S": ""}, ":violations": {"S": "[]"}}
_ONE_VERSION_ON = "version = if_not_exists(version, :start) + :one"

BROKEN = {"Violations": "violations", "Unfit": "unfit"}
"""The fields of an entry that was withheld at the gate, and the attributes that keep them."""

Action = dict[str, Any]
Values = dict[str, dict[str, str]]


class Part(NamedTuple):
    """Events of one sequence that fit one transaction with its own item, which may have been found `otherwise`."""

    entries: list[Entry]
    otherwise: bool = False

    @property
    def group_id(self) -> str:
        """Whose events they are."""
        return str(self.entries[0]["MessageGroupId"])


class Change:
    """What happens to sequences: to their own items, `head`, and to each event."""

    actions_per_event = 1

    def __init__(self, table: str, recipient: str) -> None:
        self._table = table
        self._recipient = recipient

    def head(self, part: Part) -> list[Action]:
        """Return what happens to the sequence's own item."""
        raise NotImplementedError

    def event(self, entry: Entry) -> list[Action]:
        """Return what happens to an event, under conditions that do not hold where it has happened already."""
        raise NotImplementedError

    def without_head(self, part: Part) -> list[Part]:
        """Return what can be done where the condition on the sequence's own item does not hold."""
        raise NotImplementedError

    def actions(self, part: Part) -> list[Action]:
        """Return everything that happens to a part, the sequence's own item first."""
        return [*self.head(part), *(action for entry in part.entries for action in self.event(entry))]

    def parts(self, sequence: Sequence[Entry]) -> Iterator[Part]:
        """Yield a sequence in parts that fit a transaction each."""
        size = (_ACTIONS_PER_WRITE - 1) // self.actions_per_event
        entries = list({place_of(entry): entry for entry in sequence}.values())
        for start in range(0, len(entries), size):
            yield Part(entries[start : start + size])

    def _head(self, part: Part, expression: str, condition: str, values: Values, **names: str) -> list[Action]:
        update = {
            "TableName": self._table,
            "Key": key(recipient_key(self._recipient), part.group_id),
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": values,
        }
        return [{"Update": update | ({"ExpressionAttributeNames": names} if names else {})}]


class Holding(Change):
    """Entries are held, their sequence is started if need be; which is the first of it stays known."""

    def __init__(self, table: str, recipient: str, reason: str, error: str) -> None:
        super().__init__(table, recipient)
        self._why: Values = {":reason": {"S": reason}, ":error": {"S": error}}
        self._pinned = reason == PINNED

    def head(self, part: Part) -> list[Action]:
        """Start or lengthen the sequence; other than ordinarily the entries come before what is the first by now."""
        values = first_values(part.entries[0]) | version_values() | events_value(len(part.entries))
        if part.otherwise:
            expression = f"SET {_ONE_VERSION_ON}, {FIRST_IS} ADD events :events"
            return self._head(part, expression, "firstNumber > :number", values)
        expression = (
            f"SET {_ONE_VERSION_ON}, {_FIRST_IS_STILL}, "
            "recipient = if_not_exists(recipient, :recipient), mark = :mark, "
            "since = if_not_exists(since, :now), reason = if_not_exists(reason, :reason), "
            "#error = if_not_exists(#error, :error) ADD events :events"
        )
        known = {
            ":recipient": {"S": line_of(self._recipient, self._pinned)},
            ":mark": {"S": mark_of(part.entries[0])},
            ":now": {"S": now()},
        }
        condition = "attribute_not_exists(firstNumber) OR firstNumber <= :number"
        return self._head(part, expression, condition, values | known | self._why, **{"#error": "error"})

    def event(self, entry: Entry) -> list[Action]:
        """Put the event, unless it is there."""
        put = {"TableName": self._table, "Item": item_of(self._recipient, entry)}
        return [{"Put": put | {"ConditionExpression": "attribute_not_exists(pk)"}}]

    def without_head(self, part: Part) -> list[Part]:
        """Try the other way."""
        return [part._replace(otherwise=not part.otherwise)]


class HoldingBehind(Holding):
    """Entries are held behind what is held of their sequence; those that found it ended are `too_late`."""

    def __init__(self, table: str, recipient: str) -> None:
        super().__init__(table, recipient, "", "")
        self.too_late: list[Entry] = []

    def head(self, part: Part) -> list[Action]:
        """Lengthen the sequence, if it has not ended."""
        values = first_values(part.entries[0]) | version_values() | events_value(len(part.entries))
        expression = f"SET {_ONE_VERSION_ON}, {_FIRST_IS_STILL} ADD events :events"
        return self._head(part, expression, "attribute_exists(pk)", values)

    def without_head(self, part: Part) -> list[Part]:
        """Leave the entries to be sent: all earlier events of the sequence have been accepted."""
        self.too_late += part.entries
        return []


class Leaving(Change):
    """Events leave the table; `upcoming` is what is the first of its group then, where that is known."""

    def __init__(self, table: str, recipient: str, upcoming: Mapping[str, Entry]) -> None:
        super().__init__(table, recipient)
        self._upcoming = upcoming

    def head(self, part: Part) -> list[Action]:
        """Shorten the sequence; other than ordinarily it has ended, and there is nothing to shorten."""
        if part.otherwise:
            return []
        upcoming = self._upcoming.get(part.group_id)
        values = events_value(-len(part.entries)) | (first_values(upcoming) if upcoming else _FIRST_UNKNOWN)
        return self._head(part, f"SET {FIRST_IS} ADD events :events", "attribute_exists(pk)", values)

    def event(self, entry: Entry) -> list[Action]:
        """Delete the event, if it is still there."""
        delete = {"TableName": self._table, "Key": event_key(self._recipient, entry)}
        return [{"Delete": delete | {"ConditionExpression": "attribute_exists(pk)"}}]

    def without_head(self, part: Part) -> list[Part]:
        """Take out the events alone."""
        return [part._replace(otherwise=True)]


class Discarding(Leaving):
    """Events leave the table, and who gave them up, when and why stays on record."""

    actions_per_event = 2

    def __init__(self, table: str, recipient: str, by: str, reason: str) -> None:
        super().__init__(table, recipient, {})
        self._record = {"discardedAt": {"S": now()}, "discardedBy": {"S": by}, "reason": {"S": reason}}

    def event(self, entry: Entry) -> list[Action]:
        """Delete the event, if it is still there, and put it on record without its body, which is personal data."""
        place = f"{self._record['discardedAt']['S']}#{entry['MessageGroupId']}#{number_of(entry)}"
        item = item_of(self._recipient, entry) | key(f"DISCARDED#{self._recipient}", place) | self._record
        del item["body"]
        return [*super().event(entry), {"Put": {"TableName": self._table, "Item": item}}]


class Writer:
    """Makes changes, as many parts to a transaction as it takes, and settles what stands in their way."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def write(self, change: Change, sequences: Iterable[Sequence[Entry]]) -> int:
        """Make a change to sequences; return how many events it was made to, less those that it found made already.

        Raises:
            HeldEventsUnavailableError: the table did not take all of it.
        """
        pending = [part for sequence in sequences for part in change.parts(sequence)]
        written = attempt = 0
        while pending:
            together = _that_fit(pending, change)
            refused = self._transact([action for part in together for action in change.actions(part)])
            if refused is None:
                written += sum(len(part.entries) for part in together)
                pending, attempt = pending[len(together) :], 0
                continue
            attempt += 1
            if attempt == ATTEMPTS:
                raise HeldEventsUnavailableError("transact_write_items: others kept changing the same sequences")
            if any(refused):
                pending = [*_amended(together, refused, change), *pending[len(together) :]]
            else:
                pause(attempt)
        return written

    def _transact(self, actions: list[Action]) -> list[bool] | None:
        """Write the actions, all or none; for none, say of each whether its own condition did not hold."""
        try:
            self._client.transact_write_items(TransactItems=actions)
        except self._client.exceptions.TransactionCanceledException as error:
            reasons: Any = error.response.get("CancellationReasons", [])
            return [reason.get("Code") == "ConditionalCheckFailed" for reason in reasons]
        except AwsError as error:
            raise HeldEventsUnavailableError(f"transact_write_items: {name_of(error)}") from error
        return None


def pause(attempt: int) -> None:
    """Wait a little longer before each further attempt, and not as long as whoever else is waiting."""
    time.sleep(_PAUSE_SECONDS * attempt * (1 + secrets.randbelow(100) / 100))


def _that_fit(parts: Sequence[Part], change: Change) -> list[Part]:
    """Return as many of the first parts as one transaction takes, of each sequence one: it changes no item twice."""
    fitting: list[Part] = []
    taken = 0
    for part in parts:
        taken += 1 + len(part.entries) * change.actions_per_event
        if taken > _ACTIONS_PER_WRITE or part.group_id in [one.group_id for one in fitting]:
            break
        fitting.append(part)
    return fitting


def _amended(parts: Sequence[Part], refused: Sequence[bool], change: Change) -> Iterator[Part]:
    """Yield the parts as they can be tried again, after a transaction in which conditions did not hold."""
    flags = iter(refused)
    for part in parts:
        head_refused = True in list(islice(flags, len(change.head(part))))
        settled = [True in list(islice(flags, change.actions_per_event)) for _ in part.entries]
        left = part._replace(entries=[entry for entry, done in zip(part.entries, settled, strict=True) if not done])
        if left.entries:
            yield from change.without_head(left) if head_refused else [left]


# ----------------------------------------------------------------------------------------------------------------------
# Items
# ----------------------------------------------------------------------------------------------------------------------
def key(pk: str, sk: str) -> Values:
    """Return the primary key of an item."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def recipient_key(recipient: str) -> str:
    """Return the partition of a recipient's sequences."""
    return f"HELD#{recipient}"


def line_of(recipient: str, pinned: bool) -> str:
    """Return under what the index has a recipient's sequences: those that wait for its pin are in a line apart."""
    return f"{recipient} {PINNED}" if pinned else recipient


def sequence_key(recipient: str, group_id: str) -> str:
    """Return the partition of a sequence's events."""
    return f"SEQUENCE#{recipient}#{group_id}"


def event_key(recipient: str, entry: Entry) -> Values:
    """Return the primary key of a held event."""
    place = f"{number_of(entry)}#{entry['MessageDeduplicationId']}"
    return key(sequence_key(recipient, entry["MessageGroupId"]), place)


def item_of(recipient: str, entry: Entry) -> Values:
    """Return the item of a held event."""
    broken = {attribute: {"S": entry[name]} for name, attribute in BROKEN.items() if name in entry}
    return event_key(recipient, entry) | {
        "eventId": {"S": entry["MessageDeduplicationId"]},
        "groupId": {"S": entry["MessageGroupId"]},
        "mark": {"S": mark_of(entry)},
        "sequenceNumber": {"S": number_of(entry)},
        "body": {"S": entry["MessageBody"]},
        "heldAt": {"S": now()},
        **{name: {"S": text} for name in ("notice", *MAY_BE_TOLD) if (text := told(entry, name))},
        **broken,
    }


def first_values(entry: Entry) -> Values:
    """Return what a sequence's own item says of its first event."""
    return {
        ":number": {"S": number_of(entry)},
        ":eventId": {"S": entry["MessageDeduplicationId"]},
        ":violations": {"S": violations_of(entry)},
    }


def version_values() -> Values:
    """Return what raises a version, or starts it at random."""
    return {":start": {"N": str(secrets.randbits(_VERSION_BITS))}, ":one": {"N": "1"}}


def now(seconds_ago: int = 0) -> str:
    """Return the time to the second, in UTC, or what it was."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


def events_value(number: int, name: str = ":events") -> Values:
    """Return by how much the number of events grows."""
    return {name: {"N": str(number)}}
