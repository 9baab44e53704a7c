"""Unit tier, `adapters.held_events`: proves what the table holds of what waits, and on which condition.

Every scenario runs on moto and on the table in memory that other tests build on: what the one does, the other does.
moto copies the table for every transaction, so the longest sequences are for the one in memory alone.
A local endpoint gives the answers that neither gives: conflicts, refusals. How DynamoDB behaves under load cannot
be proven here.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters import held_writes
from mark_event_queue.adapters.held_events import RECIPIENTS, HeldEventsTable
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.events import HASHED, to_group_id
from mark_event_queue.domain.held import GATE, OTHER_MAJOR, PARKED, PINNED, Recipient
from mark_event_queue.domain.rounds import Entry
from tests.builders import entries, numbers, sequence_number
from tests.dynamodb_in_memory import DynamoDBInMemory
from tests.fakes import AwsFake, aws_fake
from tests.held_table import create_table

TABLE = "held-events"
A, B = to_group_id("A"), to_group_id("B")


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    """One moto for the file: to start it anew costs more than any of these tests."""
    with mock_aws():
        yield boto3.client("dynamodb", "eu-west-2")


@pytest.fixture(params=["moto", "in memory"])
def dynamodb(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of an empty table, gone afterwards: moto's, or the one in memory."""
    if request.param == "in memory":
        yield DynamoDBInMemory()
        return
    client = request.getfixturevalue("moto")
    create_table(client, TABLE)
    yield client
    client.delete_table(TableName=TABLE)


@pytest.fixture
def table(dynamodb: Any) -> HeldEventsTable:
    """The adapter over an empty table."""
    return HeldEventsTable(TABLE, dynamodb)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsFake]:
    """A DynamoDB that gives the answers a test appends."""
    with aws_fake() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", fake.url)
        yield fake


class Items:
    """What is in a table, past the adapter."""

    def __init__(self, dynamodb: Any) -> None:
        self._dynamodb = dynamodb

    def of(self, pk: str) -> list[dict[str, Any]]:
        """Return the items of a partition, their attributes without types."""
        answer = self._dynamodb.query(
            TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}}
        )
        return [{name: next(iter(value.values())) for name, value in item.items()} for item in answer["Items"]]

    def head(self, recipient: str = "archive", group_id: str = A) -> dict[str, Any]:
        """Return a held sequence's own item."""
        (item,) = [item for item in self.of(f"HELD#{recipient}") if item["sk"] == group_id]
        return item

    def held(self, recipient: str = "archive", group_id: str = A) -> list[int]:
        """Return the numbers of a sequence's events, which its own item has to count exactly if it is there."""
        found = self.of(f"SEQUENCE#{recipient}#{group_id}")
        heads = [item for item in self.of(f"HELD#{recipient}") if item["sk"] == group_id]
        assert [int(head["events"]) for head in heads] in ([], [len(found)])
        return [int(item["sequenceNumber"]) - int(sequence_number(0)) for item in found]


@pytest.fixture
def items(dynamodb: Any) -> Items:
    """What is in the table."""
    return Items(dynamodb)


def _of(mark: str, count: int, first: int = 1) -> list[Entry]:
    """Return entries of one mark with consecutive numbers."""
    return entries([mark] * (first + count - 1))[first - 1 :]


def _hold(table: HeldEventsTable, *sequences: list[Entry], recipient: str = "archive", error: str = "Fault") -> None:
    table.hold(recipient, sequences, "parked", error)


def _number(number: int) -> str:
    return sequence_number(number).zfill(40)


# ----------------------------------------------------------------------------------------------------------------------
# Holding
# ----------------------------------------------------------------------------------------------------------------------
def test_what_is_held_is_found_from_its_recipient(table, items):
    """From the recipient through its sequences to the events, each with all that sends it, and why and since when."""
    before = datetime.now(UTC).replace(microsecond=0)
    (entry,) = _of("A", 1)

    table.hold("archive", [[entry]], "parked", "Sqs.QueueDoesNotExist")

    assert table.recipients() == [Recipient("archive", 1)]
    found = table.sequence("archive", A)
    assert (found.group_id, found.mark, found.events) == (A, "A", 1)
    assert (found.reason, found.error, found.violations) == ("parked", "Sqs.QueueDoesNotExist", "[]")
    assert found.first_event_id == entry["MessageDeduplicationId"]
    assert before <= datetime.fromisoformat(found.since) <= datetime.now(UTC)
    assert table.events("archive", A, 10) == [entry | {"MessageAttributes": _attributes(entry)}]
    assert items.held() == [1]


def _attributes(entry: Entry) -> Any:
    """Return the attributes of an entry with its number as the table has it."""
    attributes = json.loads(json.dumps(entry["MessageAttributes"]))
    attributes["sequenceNumber"]["StringValue"] = attributes["sequenceNumber"]["StringValue"].zfill(40)
    return attributes


def test_events_are_read_back_in_the_order_of_the_stream(table):
    """Whichever was parked first: by their sequence numbers, which are all of one width."""
    early, late = _of("A", 2)

    _hold(table, [late])
    _hold(table, [early])

    read = [entry["MessageDeduplicationId"] for entry in table.events("archive", A, 10)]
    assert read == [early["MessageDeduplicationId"], late["MessageDeduplicationId"]]


def test_holding_again_holds_the_same(table, items):
    """A batch that comes again leaves every event once and counted once; the first error and time stay."""
    _hold(table, _of("A", 3), error="first")
    before = items.head()

    _hold(table, _of("A", 3), error="second")

    assert items.held() == [1, 2, 3]
    assert items.head() == before


def test_holding_some_again_counts_the_others(table, items):
    """What is there already is left out of the write, and of the count."""
    _hold(table, _of("A", 2))

    _hold(table, _of("A", 4), _of("B", 2))

    assert items.held() == [1, 2, 3, 4]
    assert items.held(group_id=B) == [1, 2]
    assert table.recipients() == [Recipient("archive", 6)]


@pytest.mark.parametrize(
    ("dynamodb", "count", "before"),
    [*product(["in memory"], [100, 150, 250], [2, 50, 98]), ("moto", 100, 50)],
    indirect=["dynamodb"],
)
def test_sequences_that_are_held_in_part_are_held_whole(table, items, count, before):
    """A batch that comes again with more events: no transaction changes the sequence's own item twice."""
    _hold(table, _of("A", before))

    _hold(table, _of("A", count))

    assert items.held() == list(range(1, count + 1))
    assert table.recipients() == [Recipient("archive", count)]


def test_an_event_that_comes_twice_in_a_batch_is_held_once(table, items):
    """The stream never brings it so; whoever invokes the converter by hand may."""
    _hold(table, [*_of("A", 1), *_of("A", 2)])

    assert items.held() == [1, 2]
    assert table.recipients() == [Recipient("archive", 2)]


def test_what_breaks_other_rules_by_now_says_so(table, items):
    """A release notes the rules of today, with the sequence and with its event."""
    (broken,) = _of("A", 1)
    _hold(table, [broken | {"Violations": '[{"path":"/a","rule":"enum"}]'}])
    today = broken | {"Violations": '[{"path":"/b","rule":"type"}]'}

    table.note("archive", today, "ContractBroken")

    assert items.head()["violations"] == today["Violations"]
    assert table.events("archive", A, 1)[0]["Violations"] == today["Violations"]


@pytest.mark.parametrize(
    ("dynamodb", "count"),
    [*product(["in memory"], [99, 100, 250]), ("moto", 99), ("moto", 100)],
    indirect=["dynamodb"],
)
def test_sequences_longer_than_a_transaction_are_held_whole(table, items, count):
    """What one transaction does not take goes into further ones, and the first of them stays the first."""
    _hold(table, _of("A", count))

    assert items.held() == list(range(1, count + 1))
    assert items.head()["firstNumber"] == _number(1)


def test_many_sequences_are_held_together(table, items):
    """More marks than a transaction takes, with one event each: none is left out, and their events are counted."""
    marks = [f"M{number:03}" for number in range(51)]

    _hold(table, *([entry] for entry in entries(marks)))

    assert [sequence.group_id for sequence in table.sequences("archive", "", 200)] == marks
    assert table.recipients() == [Recipient("archive", 51)]


def test_earlier_events_held_later_become_the_first(table, items):
    """A batch beside a slow one holds what comes before: the sequence begins there, for those that ask from where."""
    _hold(table, _of("A", 2, first=3))

    _hold(table, _of("A", 2))

    assert items.held() == [1, 2, 3, 4]
    assert table.held_from("archive", [A]) == {A: _number(1)}
    assert items.head()["firstEventId"] == _of("A", 1)[0]["MessageDeduplicationId"]


def test_later_events_held_later_leave_the_first(table, items):
    """Nor does what is held behind change where a sequence begins."""
    _hold(table, _of("A", 1))
    _hold(table, _of("A", 1, first=2))
    table.hold_behind("archive", [_of("A", 1, first=3)])

    assert table.held_from("archive", [A]) == {A: _number(1)}
    assert items.held() == [1, 2, 3]


def test_the_mark_of_a_hashed_group_is_read_from_its_body(table):
    """A mark too long for a group id is found by its name; where the body does not tell it, the hash stands for it."""
    long = "L" * 200
    named, keyed, silent = _of(long, 3)
    named["MessageBody"] = json.dumps({"mark": long})
    keyed["MessageBody"] = json.dumps({"tableKey": {"mark": long}})

    marks = []
    for entry in (named, keyed, silent):
        _hold(table, [entry])
        marks.append(table.sequences("archive", "", 1)[0].mark)

    assert named["MessageGroupId"].startswith(HASHED)
    assert marks == [long, long, named["MessageGroupId"]]


def test_the_gate_keeps_which_rules_an_event_breaks(table):
    """Violations, or why a record could not become an event, come back with the entry and stand in its sequence."""
    broken, unfit, behind = _of("A", 3)
    broken["Violations"] = '[{"path":"/mark","rule":"type"}]'
    unfit["Unfit"] = "the item has no eventId"

    table.hold(GATE, [[broken, unfit, behind]], "quarantined", "ContractBroken")

    first, second, third = table.events(GATE, A, 10)
    assert (first["Violations"], second["Unfit"]) == (broken["Violations"], unfit["Unfit"])
    assert not {"Violations", "Unfit"} & third.keys()
    assert table.sequence(GATE, A).violations == broken["Violations"]


def test_held_from_tells_the_recipients_own(table):
    """A sequence is held for whom it was held, and for nobody else."""
    _hold(table, _of("A", 1, first=7))
    _hold(table, _of("B", 1), recipient="billing")

    assert table.held_from("archive", [A, B]) == {A: _number(7)}
    assert table.held_from("billing", [A, B]) == {B: _number(1)}
    assert table.held_from("analytics", [A, B]) == {}


def test_more_groups_than_one_read_takes_are_all_found(table):
    """Beyond a hundred groups the rest is asked for too."""
    held = [f"M{number}" for number in (0, 99, 100, 249)]
    _hold(table, *([entry] for entry in entries(held)))

    assert table.held_from("archive", [f"M{number}" for number in range(250)]).keys() == set(held)


def test_groups_left_unprocessed_are_asked_for_again():
    """A throttled read answers in part: the rest is not taken for "not held"."""
    dynamodb = DynamoDBInMemory()
    table = HeldEventsTable(TABLE, dynamodb)
    _hold(table, _of("A", 1), _of("B", 1))
    dynamodb.keys_per_batch = 1

    assert table.held_from("archive", [A, B]).keys() == {A, B}
    assert dynamodb.calls["batch_get_item"] == 2


def test_no_groups_ask_nothing():
    """A client whose plan is empty, or a wave of which nothing was accepted, costs no call."""
    dynamodb = DynamoDBInMemory()
    table = HeldEventsTable(TABLE, dynamodb)

    assert table.held_from("archive", []) == {}
    assert table.hold_behind("archive", []) == []
    table.forget("archive", [], {})
    assert not dynamodb.calls


def test_holding_behind_lengthens_a_held_sequence(table, items):
    """Further events join the sequence at their place, counted, and none is returned to be sent."""
    _hold(table, _of("A", 1))

    assert table.hold_behind("archive", [_of("A", 2, first=2)]) == []
    assert items.held() == [1, 2, 3]
    assert table.recipients() == [Recipient("archive", 3)]


def test_holding_behind_again_holds_the_same(table, items):
    """What is there already is neither counted twice nor returned."""
    _hold(table, _of("A", 1))
    for _ in range(2):
        assert table.hold_behind("archive", [_of("A", 2, first=2)]) == []

    assert items.held() == [1, 2, 3]


def test_holding_behind_never_starts_a_sequence(table, items):
    """What finds its sequence ended is returned, and nothing of it stays; others in the same write are held."""
    _hold(table, _of("A", 1), _of("B", 1))
    table.forget("archive", _of("A", 1), {})
    assert table.end("archive", A, table.version("archive", A))
    late = _of("A", 2, first=2)

    assert table.hold_behind("archive", [late, _of("B", 1, first=2)]) == late
    assert items.held() == []
    assert items.held(group_id=B) == [1, 2]
    assert table.sequence("archive", A) is None


def test_a_sequence_that_ends_between_two_writes_returns_the_rest():
    """The first ninety-nine were held in time; those of the next transaction come back."""
    dynamodb = DynamoDBInMemory()
    table = HeldEventsTable(TABLE, dynamodb)
    _hold(table, _of("A", 1))

    def end_it(operation: str, arguments: Any) -> None:
        if operation == "transact_write_items":
            dynamodb.put("HELD#archive", A, None)

    dynamodb.after = end_it

    assert numbers(table.hold_behind("archive", [_of("A", 150, first=2)])) == list(range(101, 152))


def test_two_transactions_in_conflict_are_tried_again(aws, monkeypatch):
    """A conflict is not taken for an ended sequence, whose events would be sent past held ones."""
    pauses: list[float] = []
    monkeypatch.setattr(held_writes.time, "sleep", pauses.append)
    aws.answers += [_cancelled("TransactionConflict"), (200, {}), (200, {})]

    assert HeldEventsTable(TABLE).hold_behind("archive", [_of("A", 1)]) == []
    assert len(pauses) == 1
    first, second = ([next(iter(action)) for action in request["TransactItems"]] for request in aws.requests[:2])
    assert first == second == ["Update", "Put"]


@pytest.mark.parametrize("change", ["hold_behind", "forget", "discard"])
def test_conflicts_without_end_are_worth_another_try_of_all(aws, monkeypatch, change):
    """Whoever keeps meeting others says so by the error that the state machine tries again."""
    monkeypatch.setattr(held_writes.time, "sleep", lambda seconds: None)
    aws.answers.append(_cancelled("TransactionConflict"))
    table = HeldEventsTable(TABLE)

    with pytest.raises(HeldEventsUnavailableError, match="others kept changing"):
        {
            "hold_behind": lambda: table.hold_behind("archive", [_of("A", 1)]),
            "forget": lambda: table.forget("archive", _of("A", 1), {}),
            "discard": lambda: table.discard("archive", _of("A", 1), by="jo", reason="sent by hand"),
        }[change]()


def _cancelled(code: str) -> tuple[int, dict]:
    name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return 400, {"__type": name, "Message": "cancelled", "CancellationReasons": [{"Code": code}, {"Code": "None"}]}


# ----------------------------------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------------------------------
def test_sequences_come_page_by_page_in_the_order_of_their_groups(table):
    """A page begins behind the last one's end, also where that sequence has ended meanwhile; others' do not count."""
    for mark in ("D", "B", "A", "C"):
        _hold(table, _of(mark, 1), error=f"error of {mark}")
    _hold(table, _of("E", 1), recipient="billing")

    first = table.sequences("archive", "", 2)
    table.end("archive", "B", table.version("archive", "B"))
    second = table.sequences("archive", "B", 2)

    assert [(sequence.group_id, sequence.error) for sequence in first] == [("A", "error of A"), ("B", "error of B")]
    assert [sequence.group_id for sequence in second] == ["C", "D"]
    assert table.sequences("archive", "D", 2) == []


def test_events_come_behind_an_event(table):
    """The first ones, or those that follow one that is known, in order, as many as were asked for."""
    held = _of("A", 5)
    _hold(table, held)

    assert numbers(table.events("archive", A, 2)) == [1, 2]
    assert numbers(table.events("archive", A, 2, after=held[1])) == [3, 4]
    assert table.events("archive", A, 2, after=held[4]) == []
    assert table.events("archive", B, 2) == []


def test_what_is_not_held_is_nothing(table):
    """A recipient, a sequence and a version that nobody knows."""
    assert table.recipients() == []
    assert table.sequence("archive", A) is None
    assert table.version("archive", A) == table.version("archive", "") == 0
    assert table.oldest("archive") == ""


def test_the_oldest_sequence_tells_since_when(table, monkeypatch):
    """By the time at which each began to be held, whatever its mark, and for its own recipient."""
    for mark, hour in (("A", 9), ("B", 7), ("C", 8)):
        monkeypatch.setattr(held_writes, "now", lambda hour=hour: f"2026-03-01T0{hour}:00:00Z")
        _hold(table, _of(mark, 1))
        _hold(table, _of(mark, 1, first=2))

    assert table.oldest("archive") == "2026-03-01T07:00:00Z"
    assert table.oldest("billing") == ""


def test_what_waits_for_a_pin_has_an_age_apart(table, monkeypatch):
    """As long as it does: a redrive that finds another reason, or that one, notes it."""
    held = {mark: _of(mark, 1) for mark in ("A", "B", "C")}
    for hour, (mark, reason) in enumerate([("A", PINNED), ("B", PINNED), ("C", PARKED)]):
        monkeypatch.setattr(held_writes, "now", lambda hour=hour: f"2026-03-01T0{hour}:00:00Z")
        table.hold("archive", [held[mark]], reason, "")
    table.hold("archive", [_of("A", 1, first=2)], PARKED, "Fault")

    def ages() -> tuple[str, str]:
        return table.oldest("archive")[11:13], table.oldest("archive", pinned=True)[11:13]

    assert ages() == ("02", "00")
    table.note("archive", held["A"][0], "AccessDenied")
    assert ages() == ("00", "01")
    table.note("archive", held["A"][0], OTHER_MAJOR)
    table.note("archive", held["C"][0], OTHER_MAJOR)
    assert ages() == ("", "00")


def test_recipients_of_many_pages_are_all_found():
    """What one page of a query does not take is read too."""
    dynamodb = DynamoDBInMemory()
    names = [f"client-{number:04}-{'x' * 900}" for number in range(1200)]
    for name in names:
        item = {"pk": {"S": RECIPIENTS}, "sk": {"S": name}, "version": {"N": "1"}}
        dynamodb.put(RECIPIENTS, name, item)

    assert [recipient.name for recipient in HeldEventsTable(TABLE, dynamodb).recipients()] == names
    assert dynamodb.calls["query"] > 1


def test_every_read_of_the_order_is_a_consistent_one(aws):
    """What was held a moment ago is seen: an event that is not would be overtaken, or its sequence ended."""
    aws.answers.append((200, {"Items": [], "Responses": {}}))
    table = HeldEventsTable(TABLE)

    table.recipients()
    table.sequences("archive", "", 1)
    table.sequence("archive", A)
    table.version("archive", A)
    table.events("archive", A, 1)
    table.held_from("archive", [A])

    assert [request.get("ConsistentRead") for request in aws.requests[:-1]] == [True] * 5
    assert aws.requests[-1]["RequestItems"][TABLE]["ConsistentRead"] is True


# ----------------------------------------------------------------------------------------------------------------------
# Letting go
# ----------------------------------------------------------------------------------------------------------------------
def test_events_are_forgotten_one_by_one(table, items):
    """What is forgotten is gone and counted out once, however often; the first is the one that is named as such."""
    held = _of("A", 3)
    _hold(table, held)

    for _ in range(2):
        table.forget("archive", held[:2], {A: held[2]})

    assert items.held() == [3]
    assert items.head()["firstEventId"] == held[2]["MessageDeduplicationId"]
    assert table.held_from("archive", [A]) == {A: _number(3)}


def test_where_the_first_is_not_known_everything_is_held(table, items):
    """Whoever took out the last that he knew of leaves no first: what follows is held, wherever it belongs."""
    held = _of("A", 2)
    _hold(table, held)

    table.forget("archive", held, {})

    assert table.held_from("archive", [A]) == {A: ""}
    table.hold_behind("archive", [_of("A", 1, first=3)])
    assert table.held_from("archive", [A]) == {A: ""}
    assert items.held() == [3]


def test_events_of_an_ended_sequence_are_forgotten_alone(table, items):
    """However an event came to be left behind: it can be taken out, and no sequence begins by it."""
    held = _of("A", 1)
    _hold(table, held)
    table.end("archive", A, table.version("archive", A))

    table.forget("archive", held, {})

    assert items.held() == []
    assert table.sequence("archive", A) is None


@pytest.mark.parametrize(
    ("dynamodb", "count", "marks"), [("in memory", 150, 60), ("moto", 100, 0)], indirect=["dynamodb"]
)
def test_more_events_than_a_transaction_takes_are_forgotten(table, items, count, marks):
    """Of one sequence and of many."""
    held, others = _of("A", count), entries([f"M{number}" for number in range(marks)])
    _hold(table, held, *([entry] for entry in others))

    table.forget("archive", [*held, *others], {})

    assert items.held() == []
    assert {sequence.events for sequence in table.sequences("archive", "", 100)} == {0}


def test_discarded_events_are_put_on_record(table, items):
    """Who gave up which event, when and why is kept, its body is not; followers stay; once, however often."""
    before = datetime.now(UTC).replace(microsecond=0)
    held = _of("A", 3)
    _hold(table, held)

    for _ in range(2):
        table.discard("archive", held[:2], by="jo", reason="sent by hand")

    records = items.of("DISCARDED#archive")
    assert items.held() == [3]
    assert [record["eventId"] for record in records] == [entry["MessageDeduplicationId"] for entry in held[:2]]
    assert {(record["discardedBy"], record["reason"], record["mark"]) for record in records} == {
        ("jo", "sent by hand", "A")
    }
    assert all(before <= datetime.fromisoformat(record["discardedAt"]) <= datetime.now(UTC) for record in records)
    assert not any("body" in record for record in records)


def test_what_is_gone_is_not_discarded(table, items):
    """An event that was delivered meanwhile is put on no record, beside one that was not."""
    held = _of("A", 2)
    _hold(table, held)
    table.forget("archive", held[:1], {A: held[1]})

    table.discard("archive", held, by="jo", reason="too late")

    assert [record["sequenceNumber"] for record in items.of("DISCARDED#archive")] == [_number(2)]


def test_a_recipients_events_are_counted_out(table):
    """About how many there are is told beside, and when some left; of whom nothing is held does not come back by it."""
    _hold(table, _of("A", 3))

    table.count_out("archive", 2)
    table.count_out("billing", 2)

    (recipient,) = table.recipients()
    assert recipient == Recipient("archive", 1, recipient.progress)
    assert datetime.now(UTC) - datetime.fromisoformat(recipient.progress) < timedelta(minutes=1)


def test_why_a_sequence_stays_held_is_noted(table, items):
    """The error is the latest one, and its event the first; since when, and the version, stay as they are."""
    held = _of("A", 2)
    _hold(table, held)
    before = items.head()

    table.note("archive", held[1], "second")

    first = {"firstNumber": _number(2), "firstEventId": held[1]["MessageDeduplicationId"]}
    assert items.head() == before | {"error": "second"} | first


def test_a_note_starts_no_sequence(table):
    """Whoever ended the sequence meanwhile has delivered it: there is nothing to note."""
    table.note("archive", _of("A", 1)[0], "late")

    assert table.sequence("archive", A) is None


# ----------------------------------------------------------------------------------------------------------------------
# Versions, and what ends
# ----------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("group_id", [A, ""])
def test_a_version_grows_with_what_is_held(table, group_id):
    """That of the sequence and that of the recipient, by holding and by holding behind."""
    versions = [table.version("archive", group_id)]
    _hold(table, _of("A", 1))
    versions.append(table.version("archive", group_id))
    _hold(table, _of("A", 1, first=2))
    versions.append(table.version("archive", group_id))
    table.hold_behind("archive", [_of("A", 1, first=3)])
    versions.append(table.version("archive", group_id))

    assert versions[0] == 0
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("group_id", [A, ""])
def test_what_was_seen_unchanged_ends(table, group_id):
    """A sequence, or the mention of its recipient, goes at the version at which it was seen empty; then it has gone."""
    _hold(table, _of("A", 1))
    seen = table.version("archive", group_id)

    assert table.end("archive", group_id, seen) is True
    assert table.version("archive", group_id) == 0
    assert table.end("archive", group_id, seen) is True


@pytest.mark.parametrize("group_id", [A, ""])
def test_what_has_changed_since_does_not_end(table, group_id):
    """An event held after the look keeps its sequence, and its recipient's mention, where they are."""
    _hold(table, _of("A", 1))
    seen = table.version("archive", group_id)
    table.hold_behind("archive", [_of("A", 1, first=2)])

    assert table.end("archive", group_id, seen) is False
    assert table.version("archive", group_id) > seen


@pytest.mark.parametrize("group_id", [A, ""])
def test_a_successor_is_not_taken_for_what_has_ended(table, group_id):
    """Versions start at random: a sequence and its successor have none in common."""
    _hold(table, _of("A", 1))
    seen = table.version("archive", group_id)
    table.forget("archive", _of("A", 1), {})
    table.end("archive", group_id, seen)
    _hold(table, _of("A", 1))

    assert table.version("archive", group_id) != seen
    assert table.end("archive", group_id, seen) is False


class _Died(Exception):  # noqa: N818 - a test's
    """An invocation that ends in the middle."""


def _dying_before_its_sequences(dynamodb: Any) -> HeldEventsTable:
    """Return a table whose user dies when it has named its recipient."""

    class Dying:
        def __getattr__(self, operation: str) -> Any:
            return getattr(dynamodb, operation)

        def transact_write_items(self, **_: Any) -> None:
            raise _Died

    return HeldEventsTable(TABLE, Dying())


def test_a_mention_stays_while_sequences_are_coming(table, dynamodb):
    """Whoever finds nothing held meanwhile cannot end it; when they are there, it ends like any."""
    with pytest.raises(_Died):
        _hold(_dying_before_its_sequences(dynamodb), _of("A", 1))
    assert table.end("archive", "", table.version("archive", "")) is False

    _hold(table, _of("A", 1))

    assert table.end("archive", "", table.version("archive", "")) is False, "the first is still coming"


def test_what_a_crash_left_coming_is_void_after_the_longest_invocation(table, dynamodb, monkeypatch):
    """Nobody is left then who could start a sequence, and the mention ends."""
    with pytest.raises(_Died):
        _hold(_dying_before_its_sequences(dynamodb), _of("A", 1))
    later = datetime.now(UTC) + timedelta(minutes=16)
    monkeypatch.setattr(held_writes.time, "time", later.timestamp)

    assert table.end("archive", "", table.version("archive", "")) is True


def test_a_table_that_refuses_is_told_by_the_name_of_its_error(aws):
    """Every operation turns AWS's error into the application's own, without the message."""
    aws.answers.append((400, {"__type": "x#AccessDeniedException", "Message": "Jane Secret"}))
    table = HeldEventsTable(TABLE)
    (entry,) = _of("A", 1)

    for operation in (
        lambda: _hold(table, [entry]),
        lambda: table.hold_behind("archive", [[entry]]),
        lambda: table.held_from("archive", [A]),
        table.recipients,
        lambda: table.oldest("archive"),
        lambda: table.sequences("archive", "", 1),
        lambda: table.sequence("archive", A),
        lambda: table.version("archive", A),
        lambda: table.events("archive", A, 1),
        lambda: table.forget("archive", [entry], {}),
        lambda: table.discard("archive", [entry], by="jo", reason="sent by hand"),
        lambda: table.count_out("archive", 1),
        lambda: table.end("archive", A, 1),
        lambda: table.note("archive", entry, "error"),
    ):
        with pytest.raises(HeldEventsUnavailableError, match=r"^\w+: AccessDeniedException$"):
            operation()
