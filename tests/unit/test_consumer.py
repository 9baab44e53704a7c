"""Unit tier, the worked consumer: proves that each event takes effect once, in order, however the queue repeats it.

Its table is one in memory; its queue repeats, brings messages late, begins anew and forgets, and the function fails
and dies at any call. Nothing here says what SQS does.
"""

import importlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local.queues import Message
from mark_consumer.consumer import Mark, Verdict, consume, message_of
from mark_consumer.store import MarkTable
from mark_event_queue.domain.forgetting import forgotten_by
from tests.builders import removal
from tests.client_view import ClientView, as_record
from tests.dynamodb_in_memory import DynamoDBInMemory, TransactionCanceledException
from tests.fakes import LambdaContextFake
from tests.held_table import create_table

GROUP = "AFC%206"


def _padded(number: int) -> str:
    return str(number).zfill(40)


def _message(number: int, version: int, group: str = GROUP, life: int = 1, **said: str) -> Message:
    """Return an event's message; what is live has the numbers from 100 on."""
    event = {
        "eventId": f"{group}-{life}-{version}",
        "RegistrationNumber": {"version": version, "Status": f"STATUS_{version}"},
    }
    attributes = {"eventId": f"{group}-{life}-{version}", "sequenceNumber": _padded(number)} | said
    return Message(json.dumps(event), group, attributes)


def _history(run: str, *versions: int, group: str = GROUP, life: int = 1) -> list[Message]:
    """Return the messages of one run of history."""
    return [
        _message(number, version, group, life, history="true", historyId=run)
        for number, version in enumerate(versions, 1)
    ]


def _notice(number: int = 500, group: str = GROUP, notice: str = "forgotten") -> Message:
    told = forgotten_by(removal(1)).as_input()
    return Message(told["body"], group, {"notice": notice, "sequenceNumber": _padded(number)})


def _take(view: ClientView, *messages: Message) -> list[Verdict]:
    return [consume(message_of(as_record("m", message)), view.store)[0] for message in messages]


def test_an_event_is_taken_in_once():
    """A repeat is known by its id, an overtaken one by its number."""
    view = ClientView()

    verdicts = _take(view, _message(101, 1), _message(103, 3), _message(103, 3), _message(102, 2))

    assert verdicts == [Verdict.TAKEN_IN, Verdict.TAKEN_IN, Verdict.REPEATED, Verdict.OVERTAKEN]
    assert view.keeps() == {GROUP: Mark(_padded(103), 3, "", "STATUS_3")}


def test_missing_versions_are_counted_and_hold_nothing_up():
    """With a filter they are normal; without one somebody should look."""
    view = ClientView()

    assert view.consume([_message(101, 4), _message(102, 7), _message(103, 8)]) == []
    assert view.verdicts == {Verdict.TAKEN_IN: 3}
    assert view.missing == 2


def test_history_comes_before_what_is_live():
    """Its numbers are lower than every live one, and grow."""
    assert _take(ClientView(), *_history("r1", 1, 2), _message(103, 3)) == [Verdict.TAKEN_IN] * 3


def test_history_that_comes_again_begins_the_mark_anew():
    """The numbers and ids of before do not stand in its way; a repeat of what is live does not undo it."""
    view = ClientView()
    _take(view, _message(101, 1), _message(102, 2))

    again = _history("r2", 1, 2)
    verdicts = _take(view, *again, again[1], _message(102, 2), _message(103, 3))

    assert verdicts == [Verdict.TAKEN_IN, Verdict.TAKEN_IN, Verdict.REPEATED, Verdict.REPEATED, Verdict.TAKEN_IN]
    assert view.keeps()[GROUP].version == 3


def test_a_repeat_of_what_is_live_does_not_overtake_the_history_under_way():
    """The batch in which a history began comes again whole: the function died before it could answer."""
    view = ClientView()
    first, second = _history("r1", 1, 2)
    batch = [_message(101, 1), _message(102, 2), first]
    _take(view, *batch)

    assert _take(view, *batch, second) == [Verdict.REPEATED] * 3 + [Verdict.TAKEN_IN]
    assert view.keeps()[GROUP].history_id == "r1"


def test_a_history_that_another_has_followed_begins_nothing_anew():
    """What comes of it late is dropped, however many there were, and the one under way goes on."""
    view = ClientView()
    newest = _history("r3", 1, 2, 3)
    _take(view, *_history("r1", 1, 2), *_history("r2", 1, 2), *newest[:2])

    verdicts = _take(view, *_history("r1", 1, 2), *_history("r2", 1), newest[2])

    assert verdicts == [Verdict.OVERTAKEN] * 3 + [Verdict.TAKEN_IN]
    assert view.keeps()[GROUP].version == 3


def test_a_late_event_behind_others_is_noted_and_changes_nothing():
    """What it says has been overtaken; that it was had is known."""
    view = ClientView()

    verdicts = _take(view, _message(103, 3), *[_message(102, 2, late="true")] * 2)

    assert verdicts == [Verdict.TAKEN_IN, Verdict.LATE, Verdict.REPEATED]
    assert view.keeps()[GROUP].version == 3


def test_a_late_event_that_is_ahead_of_what_was_taken_in_is_taken_in():
    """The filter may have kept from this client what the event is late behind."""
    view = ClientView()

    assert _take(view, _message(101, 1), _message(102, 2, late="true")) == [Verdict.TAKEN_IN] * 2
    assert view.keeps()[GROUP] == Mark(_padded(102), 2, "", "STATUS_2")


def test_a_late_event_does_not_undo_history():
    """Its number is above all of history; its version tells that it is behind."""
    view = ClientView()

    assert _take(view, *_history("r1", 4, 5), _message(103, 3, late="true"))[-1] is Verdict.LATE
    assert view.keeps()[GROUP].version == 5


def test_a_late_event_of_the_life_before_is_noted():
    """Its version may be higher than that of the mark that has begun anew; its number tells."""
    view = ClientView()

    assert _take(view, _message(601, 1, life=2), _message(105, 5, late="true"))[-1] is Verdict.LATE
    assert view.keeps()[GROUP].version == 1


def test_a_notice_deletes_all_that_is_kept():
    """The mark may begin anew, with version 1."""
    view = ClientView()
    _take(view, _message(101, 1), _message(102, 2))

    assert _take(view, _notice(), _notice()) == [Verdict.FORGOTTEN] * 2
    assert view.dynamodb.contents() == {}
    assert _take(view, _message(601, 1, life=2)) == [Verdict.TAKEN_IN]


def test_a_notice_that_comes_again_leaves_the_mark_that_has_begun_anew():
    """It tells of the life before."""
    view = ClientView()

    verdicts = _take(view, _message(101, 1), _notice(), _message(601, 1, life=2), _notice())

    assert verdicts[2:] == [Verdict.TAKEN_IN, Verdict.OVERTAKEN]
    assert view.keeps()[GROUP].last_number == _padded(601)


def test_a_notice_of_another_kind_deletes_nothing():
    """Whoever copies this may ask for more notices than it heeds."""
    view = ClientView()

    assert _take(view, _message(101, 1), _notice(notice="renamed")) == [Verdict.TAKEN_IN, Verdict.UNKNOWN_NOTICE]
    assert view.keeps()[GROUP].version == 1


def test_a_mark_that_begins_anew_goes_on_by_its_numbers():
    """Without notices the client sees version 1 again: taken in, and nothing is missing."""
    view = ClientView()

    assert view.consume([_message(101, 1), _message(105, 5), _message(601, 1, life=2)]) == []
    assert view.verdicts == {Verdict.TAKEN_IN: 3}
    assert view.missing == 3
    assert view.keeps()[GROUP].version == 1


def test_a_mark_that_changed_since_it_was_read_is_not_written():
    """A function that was thought dead writes neither over what was taken in meanwhile nor what was forgotten."""
    view = ClientView()
    _take(view, _message(101, 1))
    read = view.store.mark(GROUP)
    slow = message_of(as_record("m", _message(102, 2)))

    for meanwhile in (_message(103, 3), _notice()):
        _take(view, meanwhile)
        contents = view.dynamodb.contents()
        with pytest.raises(TransactionCanceledException):
            view.store.take_in(slow, read, Mark(_padded(102), 2))
        assert view.dynamodb.contents() == contents


def test_the_table_keeps_the_same_on_another_engine():
    """What moto does with the consumer's calls, the table in memory of these tests does."""
    changed = message_of(as_record("m", _message(105, 5)))
    messages = [
        _message(101, 1), *_history("r1", 1, 2), *_history("r2", 1), _message(103, 3), _message(104, 4, late="true"),
        _message(101, 1, "B"), _notice(group="B"), _message(101, 1, "C"),
    ]  # fmt: skip
    view = ClientView()
    with mock_aws():
        client = boto3.client("dynamodb", "eu-west-2")
        create_table(client, "marks")
        other = MarkTable("marks", client)
        for store in (view.store, other):
            for message in messages:
                consume(message_of(as_record("m", message)), store)
            with pytest.raises(ClientError, match="ConditionalCheckFailed"):
                store.take_in(changed, Mark(_padded(101), 1), Mark(_padded(105), 5))
        items = client.scan(TableName="marks")["Items"]

    def kept(items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        told = [{name: value for name, value in item.items() if name != "expires"} for item in items]
        return sorted(told, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    assert len(items) == 7
    assert kept(items) == kept(view.dynamodb.contents().values())


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_nothing_of_people_is_kept_or_told(monkeypatch, capsys):
    """Of an event full of names the table has version and status; what is logged of a failure has nothing."""
    view = ClientView()
    whole = {"RegistrationNumber": {"version": 1, "entitlement": {"nomineeName": "Jane Hidden"}}}
    message = _message(101, 1)
    message = Message(json.dumps(whole), message.group_id, message.attributes)
    broken = Message(message.body[:-1], message.group_id, message.attributes)

    assert view.consume([message]) == []
    assert view.keeps()[GROUP].version == 1
    assert "Hidden" not in str(view.dynamodb.contents())

    handler = _handler(monkeypatch, view)
    with pytest.raises(Exception, match="All records failed") as failure:
        handler.handler({"Records": [as_record("m", broken)]}, LambdaContextFake())
    assert "Hidden" not in str(failure.value)
    assert "Hidden" not in "".join(capsys.readouterr())


def test_numbers_are_read_exactly():
    """A price is no double: it has the digits that it came with."""
    message = Message(
        '{"RegistrationNumber":{"version":1,"price":0.1000000000000000055}}', GROUP, {"sequenceNumber": "1"}
    )

    price = message_of(as_record("m", message)).event["RegistrationNumber"]["price"]

    assert str(price) == "0.1000000000000000055"


# ----------------------------------------------------------------------------------------------------------------------
# Whatever the queue does
# ----------------------------------------------------------------------------------------------------------------------
class _DiedError(BaseException):
    """The process is gone: nothing of its batch was answered."""


class _Story:
    """What is sent of one mark, in its order, and what of it has to have taken effect since it was last forgotten."""

    def __init__(self, group: str, steps: list[str]) -> None:
        self.messages: list[Message] = []
        self.effects: list[str] = []
        self._group, self._life, self._number, self._runs = group, 1, 100, 0
        self._begin()
        for step in steps:
            getattr(self, f"_{step}")()

    def _begin(self) -> None:
        self.version = 0
        """The last version that takes effect; 0 if the mark is forgotten."""
        self._newest = 0
        self._past: list[int] = []
        self._lost: list[tuple[int, int]] = []
        self._had: set[int] = set()

    def _advance(self) -> tuple[int, int]:
        self._number += 1
        self._newest += 1
        return self._number, self._newest

    def _send(self, message: Message, version: int, *, takes_effect: bool = True) -> None:
        self.messages.append(message)
        self._had.add(version)
        if takes_effect:
            self.effects.append(f"{message.event_id} {message.attributes.get('historyId', '')}".strip())
            self.version = version

    def _live(self) -> None:
        number, version = self._advance()
        self._past.append(version)
        self._send(_message(number, version, self._group, self._life), version)

    def _filtered(self) -> None:
        """An event that the client does not want, neither now nor as history."""
        self._advance()

    def _lost_for_now(self) -> None:
        """An event that the stream gave up, and a replay may bring."""
        self._lost.append(self._advance())
        self._past.append(self._newest)

    def _late(self) -> None:
        while self._lost:
            number, version = self._lost.pop(0)
            late = _message(number, version, self._group, self._life, late="true")
            self._send(late, version, takes_effect=version > self.version)

    def _history(self) -> None:
        self._runs += 1
        run = _history(f"r{self._runs}", *self._past, group=self._group, life=self._life)
        for message, version in zip(run, self._past, strict=True):
            self._send(message, version)
        self._lost = []  # had by now

    def _notice(self) -> None:
        self._number += 1
        self.messages.append(_notice(self._number, self._group))
        self.effects = []
        self._life += 1
        self._begin()


def _may_come_alone(messages: list[Message]) -> bool:
    """Say whether the first of these may come again without the others, now that the last of them has come.

    A client that has deleted all it had of a mark cannot know a repeat of it, until its numbers tell.
    """
    is_live = not any({"historyId", "late"} & message.attributes.keys() for message in messages)
    notices = [place for place, message in enumerate(messages) if "notice" in message.attributes]
    return len(messages) == 1 or not notices or (is_live and notices[-1] < len(messages) - 1)


def _sent(messages: list[Message], repeats: Mapping[int, tuple[int, bool]]) -> Iterator[Message]:
    """Yield a mark's messages as its queue has them: some come again, alone or with all that came behind them."""
    for place, message in enumerate(messages):
        yield message
        back, alone = repeats.get(place, (0, False))
        since = messages[max(0, place + 1 - back) : place + 1]
        if not alone:
            yield from since
        elif since and _may_come_alone(since):
            yield since[0]


class _Faults:
    """Lets calls of the table fail, or the process die, before or after they have had their effect."""

    def __init__(self, dynamodb: DynamoDBInMemory, faults: Mapping[int, str]) -> None:
        self.effects: dict[str, list[str]] = {"A": [], "B": []}
        self._dynamodb, self._faults, self._calls = dynamodb, faults, 0
        self._marks: dict[str, Any] = {}
        dynamodb.before, dynamodb.after = self._before, self._after

    def heal(self) -> None:
        """Let nothing fail from now on."""
        self._faults = {}

    def _before(self, operation: str, arguments: Mapping[str, Any]) -> None:
        self._calls += 1
        self._strike("before")
        self._marks = {pk: item for (pk, sk), item in self._dynamodb.contents().items() if sk == "mark"}

    def _after(self, operation: str, arguments: Mapping[str, Any]) -> None:
        if operation == "transact_write_items":
            event, mark = (action["Put"]["Item"] for action in arguments["TransactItems"])
            group = mark["pk"]["S"]
            if mark != self._marks.get(group) and mark["lastNumber"]["S"]:
                told = f"{event['sk']['S'].removeprefix('event#')} {mark['historyId']['S'] * _is_history(mark)}"
                self.effects[group].append(told.strip())
        if operation == "delete_item" and arguments["Key"]["sk"]["S"] == "mark":
            self.effects[arguments["Key"]["pk"]["S"]] = []
        self._strike("after")

    def _strike(self, when: str) -> None:
        match self._faults.get(self._calls, "").split():
            case [kind, at] if at == when:
                raise _DiedError if kind == "die" else ConnectionError


def _is_history(mark: Mapping[str, Any]) -> bool:
    return int(mark["lastNumber"]["S"]) < 100


_STEPS = st.lists(
    st.sampled_from(["live", "live", "live", "filtered", "lost_for_now", "late", "history", "notice"]), max_size=12
)
_REPEATS = st.dictionaries(st.integers(0, 30), st.tuples(st.integers(1, 8), st.booleans()), max_size=8)
_FAULTS = st.dictionaries(
    st.integers(1, 80), st.sampled_from(["fail before", "fail after", "die before", "die after"]), max_size=12
)


@settings(max_examples=400, deadline=None)
@given(
    st.tuples(_STEPS, _STEPS),
    st.tuples(_REPEATS, _REPEATS),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30),
    _FAULTS,
)
def test_each_event_takes_effect_once_in_order_whatever_the_queue_does(steps, repeats, batches, faults):
    """Two marks, in whatever batches, with repeats, histories, notices and late ones, failures and deaths between."""
    stories = {group: _Story(group, told) for group, told in zip("AB", steps, strict=True)}
    waiting = {group: list(_sent(stories[group].messages, of)) for group, of in zip("AB", repeats, strict=True)}
    view = ClientView()
    attack = _Faults(view.dynamodb, faults)

    def deliver(counts: Mapping[str, int]) -> None:
        taken = {group: waiting[group][:count] for group, count in counts.items()}
        try:
            failed = view.consume([*taken["A"], *taken["B"]])
        except _DiedError:
            return
        for group, messages in taken.items():
            left = [message for message in failed if message.group_id == group]
            assert left == messages[len(messages) - len(left) :], "a group waits behind its failed message"
            del waiting[group][: len(messages) - len(left)]

    for a, b in batches:
        deliver({"A": a, "B": b})
    attack.heal()
    deliver({group: len(left) for group, left in waiting.items()})

    assert waiting == {"A": [], "B": []}
    assert attack.effects == {group: story.effects for group, story in stories.items()}
    assert {group: mark.version for group, mark in view.keeps().items() if mark.version} == {
        group: story.version for group, story in stories.items() if story.version
    }


def test_a_forgotten_mark_is_forgotten_wherever_the_deletion_is_interrupted():
    """The notice comes again, and what is left goes, too."""
    for call in range(1, 8):
        view = ClientView()
        view.consume([_message(101, 1), _message(102, 2)])
        attack = _Faults(view.dynamodb, {call: "die after"})
        try:
            view.consume([_notice()])
        except _DiedError:
            attack.heal()
            assert view.consume([_notice()]) == []
        assert view.dynamodb.contents() == {}


# ----------------------------------------------------------------------------------------------------------------------
# The function
# ----------------------------------------------------------------------------------------------------------------------
def _handler(monkeypatch: pytest.MonkeyPatch, view: ClientView) -> Any:
    monkeypatch.setenv("MARK_TABLE", "marks")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "mark-consumer")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "mark-consumer")
    handler = importlib.import_module("mark_consumer.handler")
    monkeypatch.setattr(handler, "store", view.store)
    return handler


def test_a_group_waits_behind_its_failed_message_and_the_others_go_on(monkeypatch, capsys):
    """The answer names the failed message and those behind it in its group, and no other; metrics tell the rest."""
    good = [_message(101, 1), _message(103, 3), _message(101, 1, "B"), _message(104, 4, "B")]
    broken = Message("{", GROUP, _message(102, 2).attributes)
    batch = [good[0], broken, *good[1:]]
    view = ClientView()
    handler = _handler(monkeypatch, view)

    answer = handler.handler(
        {"Records": [as_record(str(place), one) for place, one in enumerate(batch)]}, LambdaContextFake()
    )

    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["1", "2"]
    assert {group: mark.version for group, mark in view.keeps().items()} == {GROUP: 1, "B": 4}
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (sum(told["TakenIn"]), sum(told["VersionsMissing"])) == (3, 2)
    assert ClientView().consume(batch) == batch[1:3], "the view does as the function does"


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_name_that_a_metric_can_have(verdict):
    """Letters only, as the names of this project's metrics."""
    assert re.fullmatch("[A-Za-z]+", verdict.name.title().replace("_", ""))
