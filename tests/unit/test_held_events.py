"""Unit tier, `adapters.held_events`: proves what the table holds of parked events, and on which condition.

The table is moto's, and a local endpoint gives the answers that moto does not: transactions in conflict,
keys left unprocessed. How DynamoDB behaves under load cannot be proven here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.errors import HeldEventsUnavailableError
from mark_event_queue.domain.events import to_group_id
from mark_event_queue.domain.held import HeldSequence
from mark_event_queue.domain.lanes import Entry
from tests.builders import entries, numbers, sequence_number
from tests.fakes import AwsFake, aws_fake

TABLE = "parked-events"
A, B = to_group_id("A"), to_group_id("B")


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """One moto for the file: to start it anew costs more than any of these tests."""
    with mock_aws():
        yield


@pytest.fixture
def table(moto: None) -> Iterator[ParkedEventsTable]:
    """An empty table of parked events, gone afterwards."""
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield HeldEventsTable(TABLE)
    dynamodb.delete_table(TableName=TABLE)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsFake]:
    """A DynamoDB that gives the answers a test appends."""
    with aws_fake() as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", fake.url)
        yield fake


def _items(pk: str) -> list[dict]:
    answer = boto3.client("dynamodb").query(
        TableName=TABLE, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}}
    )
    return answer["Items"]


def _parked(client: str, group_id: str) -> list[str]:
    return [found["sequenceNumber"]["S"] for found in _items(f"SEQUENCE#{client}#{group_id}")]


def _end(client: str, group_id: str) -> None:
    """End a sequence as a redrive does: its item goes."""
    boto3.client("dynamodb").delete_item(TableName=TABLE, Key={"pk": {"S": f"CLIENT#{client}"}, "sk": {"S": group_id}})


def _of(mark: str, count: int, first: int = 1) -> list[Entry]:
    """Return entries of one mark with consecutive numbers."""
    return entries([mark] * (first + count - 1))[first - 1 :]


def _cancelled(code: str) -> tuple[int, dict]:
    name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    return 400, {"__type": name, "Message": "cancelled", "CancellationReasons": [{"Code": code}, {"Code": "None"}]}


def test_parking_writes_client_sequence_and_events(table):
    """What is parked is found from the client, through its sequences, to its events, each with all that sends it."""
    (entry,) = _of("A", 1)

    table.park("archive", [entry], "Sqs.QueueDoesNotExist")

    (of_client,) = _items("CLIENTS")
    (of_sequence,) = _items("CLIENT#archive")
    (event,) = _items(f"SEQUENCE#archive#{A}")
    assert of_client["sk"] == {"S": "archive"}
    assert of_sequence["sk"] == {"S": A}
    assert of_sequence["error"] == {"S": "Sqs.QueueDoesNotExist"}
    assert of_sequence["parkedSince"]["S"].endswith("Z")
    assert event["eventId"] == {"S": entry["MessageDeduplicationId"]}
    assert event["groupId"] == {"S": A}
    assert event["sequenceNumber"] == {"S": sequence_number(1)}
    assert event["body"] == {"S": entry["MessageBody"]}


def test_events_are_read_back_in_the_order_of_the_stream(table):
    """Whichever was parked first: by their sequence numbers, which are all of one width."""
    early, late = _of("A", 2)

    table.park("archive", [late], "Sqs.SqsException")
    table.park("archive", [early], "Sqs.SqsException")

    assert _parked("archive", A) == [sequence_number(1), sequence_number(2)]


def test_parking_again_parks_the_same(table):
    """A batch that comes again leaves every event once; the first error and time stay, the version grows."""
    table.park("archive", _of("A", 3), "first")
    before = _items("CLIENT#archive")[0]

    table.park("archive", _of("A", 3), "second")

    after = _items("CLIENT#archive")[0]
    assert _parked("archive", A) == [sequence_number(number) for number in (1, 2, 3)]
    assert (after["error"], after["parkedSince"]) == (before["error"], before["parkedSince"])
    assert int(after["version"]["N"]) > int(before["version"]["N"])


@pytest.mark.parametrize("count", [99, 100, 250])
def test_long_sequences_are_parked_whole(table, count):
    """What one transaction does not take goes into further ones."""
    table.park("archive", _of("A", count), "Sqs.SqsException")

    assert len(_parked("archive", A)) == count


def test_parked_groups_are_those_of_the_client(table):
    """A sequence is parked for the client it was parked for, and for no other."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")
    table.park("billing", _of("B", 1), "Sqs.SqsException")

    assert table.parked_groups("archive", [A, B]) == {A}
    assert table.parked_groups("billing", [A, B]) == {B}
    assert table.parked_groups("analytics", [A, B]) == set()


def test_no_groups_ask_nothing(aws):
    """A client whose lanes are empty costs no read."""
    assert HeldEventsTable(TABLE).parked_groups("archive", []) == set()
    assert aws.requests == []


def test_more_groups_than_one_read_takes_are_all_found(table):
    """Beyond a hundred groups the rest is asked for too."""
    for number in (0, 99, 100, 249):
        table.park("archive", _of(f"M{number}", 1), "Sqs.SqsException")

    found = table.parked_groups("archive", [f"M{number}" for number in range(250)])

    assert found == {"M0", "M99", "M100", "M249"}


def test_groups_left_unprocessed_are_asked_for_again(aws):
    """A throttled read answers in part: the rest is not taken for "not parked"."""
    key = {"pk": {"S": "CLIENT#archive"}, "sk": {"S": B}}
    aws.answers += [
        (200, {"Responses": {TABLE: [{"sk": {"S": A}}]}, "UnprocessedKeys": {TABLE: {"Keys": [key]}}}),
        (200, {"Responses": {TABLE: [{"sk": {"S": B}}]}, "UnprocessedKeys": {}}),
    ]

    assert HeldEventsTable(TABLE).parked_groups("archive", [A, B]) == {A, B}
    assert aws.requests[1]["RequestItems"][TABLE]["Keys"] == [key]
    assert all(request["RequestItems"][TABLE]["ConsistentRead"] for request in aws.requests)


def test_parking_behind_appends_to_a_parked_sequence(table):
    """Further events join the sequence at their place, and none is returned to be sent."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")

    assert table.park_behind("archive", _of("A", 2, first=2)) == []
    assert _parked("archive", A) == [sequence_number(number) for number in (1, 2, 3)]


def test_parking_behind_never_starts_a_sequence(table):
    """What finds its sequence ended is returned whole, and nothing of it stays in the table."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")
    _end("archive", A)
    late = _of("A", 2, first=2)

    assert table.park_behind("archive", late) == late
    assert _parked("archive", A) == [sequence_number(1)]
    assert _items("CLIENT#archive") == []


def test_a_sequence_that_ends_between_two_writes_returns_the_rest(aws):
    """The first ninety-nine were appended in time; those of the next transaction come back."""
    aws.answers += [(200, {}), _cancelled("ConditionalCheckFailed")]

    rest = HeldEventsTable(TABLE).park_behind("archive", _of("A", 150))

    assert numbers(rest) == list(range(100, 151))
    assert [len(request["TransactItems"]) for request in aws.requests] == [100, 52]


def test_parking_behind_changes_what_a_redrive_would_end(table):
    """Every append raises the sequence's version, which the last step of a redrive looks at."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")
    before = int(_items("CLIENT#archive")[0]["version"]["N"])

    table.park_behind("archive", _of("A", 1, first=2))

    assert int(_items("CLIENT#archive")[0]["version"]["N"]) == before + 1


def test_two_transactions_in_conflict_are_worth_another_try(aws):
    """A conflict is not taken for an ended sequence: its events would be sent past parked ones."""
    aws.answers.append(_cancelled("TransactionConflict"))

    with pytest.raises(HeldEventsUnavailableError):
        HeldEventsTable(TABLE).park_behind("archive", _of("A", 1))


# ----------------------------------------------------------------------------------------------------------------------
# What a redrive needs
# ----------------------------------------------------------------------------------------------------------------------
def test_sequences_come_page_by_page_in_the_order_of_their_groups(table):
    """A page begins behind the last one's end, also where that sequence has ended meanwhile; others' do not count."""
    for mark in ("D", "B", "A", "C"):
        table.park("archive", _of(mark, 1), f"error of {mark}")
    table.park("billing", _of("E", 1), "Sqs.SqsException")

    first = table.sequences("archive", "", 2)
    _end("archive", "B")
    second = table.sequences("archive", "B", 2)

    assert [(sequence.group_id, sequence.error) for sequence in first] == [("A", "error of A"), ("B", "error of B")]
    assert [sequence.group_id for sequence in second] == ["C", "D"]
    assert table.sequences("archive", "D", 2) == []


def test_a_sequence_is_found_by_its_group(table):
    """With since when and why it is parked; none when it is not."""
    before = datetime.now(UTC).replace(microsecond=0)
    table.park("archive", _of("A", 1), "Sqs.SqsException")

    found = table.sequence("archive", A)

    assert found == HeldSequence(A, found.since, "Sqs.SqsException")
    assert before <= datetime.fromisoformat(found.since) <= datetime.now(UTC)
    assert table.sequence("archive", B) is None
    assert table.sequence("billing", A) is None


@pytest.mark.parametrize("group_id", [A, ""])
def test_a_version_grows_with_every_event_parked(table, group_id):
    """That of the sequence and that of the client; what is not parked has version 0."""
    versions = [table.version("archive", group_id)]
    for number in (1, 2):
        table.park("archive", _of("A", 1, first=number), "Sqs.SqsException")
        versions.append(table.version("archive", group_id))

    assert versions[0] == 0 < versions[1] < versions[2]
    assert table.version("billing", group_id) == 0


@pytest.mark.parametrize("group_id", [A, ""])
def test_what_was_seen_unchanged_ends(table, group_id):
    """A sequence, or the mention of its client, goes at the version at which it was seen empty."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")

    assert table.end("archive", group_id, table.version("archive", group_id)) is True
    assert table.version("archive", group_id) == 0


@pytest.mark.parametrize("group_id", [A, ""])
def test_what_has_changed_since_does_not_end(table, group_id):
    """An event parked after the look keeps its sequence, and its client's mention, where they are."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")
    seen = table.version("archive", group_id)
    table.park("archive", _of("A", 1, first=2), "Sqs.SqsException")

    assert table.end("archive", group_id, seen) is False
    assert table.version("archive", group_id) > seen


def test_what_is_gone_has_ended(table):
    """A second redrive, or a step that is repeated, finds it done."""
    assert table.end("archive", A, 7) is True


@pytest.mark.parametrize("group_id", [A, ""])
def test_a_successor_is_not_taken_for_what_has_ended(table, group_id):
    """However a sequence and its successor came about, none of their versions are the same."""
    table.park("archive", _of("A", 1), "Sqs.SqsException")
    seen = table.version("archive", group_id)
    table.end("archive", group_id, seen)
    table.park("archive", _of("A", 1), "Sqs.SqsException")

    assert table.end("archive", group_id, seen) is False


def test_first_events_are_what_was_parked(table):
    """Entry for entry as they would have been sent, but for the Id, which is the wave's; others' are left alone."""
    parked = _of("A", 3)
    table.park("archive", parked, "Sqs.SqsException")
    table.park("billing", _of("A", 1), "Sqs.SqsException")

    assert table.first_events("archive", A, 2) == parked[:2]
    assert table.first_events("archive", A, 10) == parked
    assert table.first_events("archive", B, 10) == []


def test_events_are_forgotten_one_by_one(table):
    """What is forgotten is gone, the rest of the sequence stays parked; forgetting twice does no harm."""
    parked = _of("A", 3)
    table.park("archive", parked, "Sqs.SqsException")

    for _ in range(2):
        table.forget("archive", [parked[0], parked[2]])

    assert _parked("archive", A) == [sequence_number(2)]
    assert table.sequence("archive", A) is not None


def test_nothing_to_forget_asks_nothing(aws):
    """A wave of which nothing was accepted costs no write."""
    HeldEventsTable(TABLE).forget("archive", [])

    assert aws.requests == []


def test_why_a_sequence_stays_parked_is_noted(table):
    """The error is the latest one; since when, and the version, stay as they are."""
    table.park("archive", _of("A", 1), "first")
    before = _items("CLIENT#archive")[0]

    table.note_error("archive", A, "second")

    assert _items("CLIENT#archive")[0] == before | {"error": {"S": "second"}}


def test_an_error_starts_no_sequence(table):
    """Whoever ended the sequence meanwhile has delivered it: there is nothing to note."""
    table.note_error("archive", A, "late")

    assert _items("CLIENT#archive") == []


def test_a_discarded_event_is_put_on_record(table):
    """It leaves its sequence; who gave up which event, when and why is kept, its body is not; its followers stay."""
    before = datetime.now(UTC).replace(microsecond=0)
    parked = _of("A", 2)
    table.park("archive", parked, "Sqs.SqsException")

    table.discard("archive", parked[0], by="jo", reason="sent by hand")

    assert _parked("archive", A) == [sequence_number(2)]
    (record,) = _items("DISCARDED#archive")
    assert (record["discardedBy"], record["reason"]) == ({"S": "jo"}, {"S": "sent by hand"})
    assert before <= datetime.fromisoformat(record["discardedAt"]["S"]) <= datetime.now(UTC)
    assert record["sk"]["S"] == f"{record['discardedAt']['S']}#{A}#{sequence_number(1)}"
    kept = {name: record[name]["S"] for name in ("eventId", "groupId", "sequenceNumber")}
    assert kept == {
        "eventId": parked[0]["MessageDeduplicationId"],
        "groupId": A,
        "sequenceNumber": sequence_number(1),
    }
    assert "body" not in record


def test_the_clients_with_anything_parked_are_known(table):
    """Each client is named once, however much of it is parked."""
    for client in ("archive", "insurer", "archive"):
        table.park(client, _of("A", 1), "Sqs.SqsException")

    assert table.clients() == ["archive", "insurer"]


def test_what_is_gone_is_not_discarded(table):
    """An event that was delivered meanwhile, or given up before, is put on no record."""
    table.discard("archive", _of("A", 1)[0], by="jo", reason="too late")

    assert _items("DISCARDED#archive") == []


def test_a_discard_in_conflict_is_worth_another_try(aws):
    """A conflict is not taken for an event that is gone: it would stay, and nobody would know."""
    aws.answers.append(_cancelled("TransactionConflict"))

    with pytest.raises(HeldEventsUnavailableError):
        HeldEventsTable(TABLE).discard("archive", _of("A", 1)[0], by="jo", reason="sent by hand")


def test_events_are_counted_over_all_pages(aws):
    """A sequence larger than one page of a query is counted to its end, each page behind the last."""
    key = {"pk": {"S": f"SEQUENCE#archive#{A}"}, "sk": {"S": "1"}}
    aws.answers += [(200, {"Count": 700, "LastEvaluatedKey": key}), (200, {"Count": 42})]

    assert HeldEventsTable(TABLE).count("archive", A) == 742
    assert "ExclusiveStartKey" not in aws.requests[0]
    assert aws.requests[1]["ExclusiveStartKey"] == key


def test_only_the_sequence_asked_for_is_counted(table):
    """Neither another client's events of the group, nor the client's of another group."""
    table.park("archive", _of("A", 3), "Sqs.SqsException")
    table.park("archive", _of("B", 1), "Sqs.SqsException")
    table.park("billing", _of("A", 2), "Sqs.SqsException")

    assert table.count("archive", A) == 3


def test_every_read_is_a_consistent_one(aws):
    """What was parked a moment ago is seen: an event that is not would be overtaken, or its sequence ended."""
    aws.answers.append((200, {"Items": [], "Count": 0}))
    parked_events = HeldEventsTable(TABLE)

    parked_events.sequences("archive", "", 1)
    parked_events.sequence("archive", A)
    parked_events.version("archive", A)
    parked_events.first_events("archive", A, 1)
    parked_events.count("archive", A)

    assert [request["ConsistentRead"] for request in aws.requests] == [True] * 5


def test_a_table_that_refuses_is_told_by_the_name_of_its_error(aws):
    """Every operation turns AWS's error into the application's own, without the message."""
    aws.answers.append((400, {"__type": "x#AccessDeniedException", "Message": "Jane Secret"}))
    parked_events = HeldEventsTable(TABLE)

    for operation in (
        lambda: parked_events.park("archive", _of("A", 1), "Sqs.SqsException"),
        lambda: parked_events.park_behind("archive", _of("A", 1)),
        lambda: parked_events.parked_groups("archive", [A]),
        lambda: parked_events.sequences("archive", "", 1),
        lambda: parked_events.sequence("archive", A),
        lambda: parked_events.version("archive", A),
        lambda: parked_events.first_events("archive", A, 1),
        lambda: parked_events.count("archive", A),
        lambda: parked_events.forget("archive", _of("A", 1)),
        lambda: parked_events.end("archive", A, 1),
        lambda: parked_events.note_error("archive", A, "error"),
        lambda: parked_events.discard("archive", _of("A", 1)[0], by="jo", reason="sent by hand"),
    ):
        with pytest.raises(HeldEventsUnavailableError, match=r"^\w+: AccessDeniedException$"):
            operation()
