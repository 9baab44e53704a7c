"""Proves, on the deployed stack, that the runbook knows every alarm, and that its commands do what they are there for.

The commands are read from the page, and each block of it is run: a test per section makes the trouble, runs the
commands, and looks at what came of them. Two things are put in beside CLIENT, MARK and URL: the engine's address, and,
since a history of one mark waits 240 s for what is in flight, --settle 0. A stream without images is not to be had
here: its records are handed to the converter.
"""

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from local import inspection
from local.environment import PROGRAMS
from local.marks import Item, Mark, put_in_batches
from local.queues import drain, until
from local.session import Session
from local.stack import ROOT
from mark_event_queue.domain.held import GATE
from meq.__main__ import commands
from tests.builders import DENY_ALL, given_up, record, without_image

PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
CLIENT, ORIGINAL = "Insurer", "original"

_followed: set[str] = set()
_numbers = count(1)


def _commands(section: str) -> list[str]:
    blocks: list[str] = re.findall(r"```console\n(.*?)```", SECTIONS[section], re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


class Page:
    """A section of the page, and which of its commands have not been run yet."""

    def __init__(self, stack: Session, section: str) -> None:
        self._stack = stack
        self.left = _commands(section)

    def run(self, begins: str, mark: str = "", client: str = CLIENT, code: int = 0) -> str:
        """Run the next command that begins so; return what it prints."""
        command = next(one for one in self.left if one.startswith(begins))
        self.left.remove(command)
        named = command.replace("CLIENT", client).replace("MARK", shlex.quote(mark))
        words = shlex.split(re.sub(r"\bURL\b", self._stack.queues[client], named))
        if words[0] == "aws":
            return self._aws(words)
        assert words[0] == "meq", command
        if words[1] == "history" and "--mark" in words:
            words += ["--settle", "0"]
        done = CliRunner(mix_stderr=False).invoke(commands, words[1:], obj={"clients": self._stack.engine})
        assert done.exit_code == code, (command, done.stdout, done.stderr, done.exception)
        return done.stdout

    def run_again(self, command: str, mark: str) -> str:
        """Run a command once more."""
        self.left.insert(0, next(one for one in _all_commands() if one.startswith(command)))
        return self.run(command, mark)

    def _aws(self, words: list[str]) -> str:
        environment = self._stack.engine.environment | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
        here = [self._stack.engine.endpoint if word == "$AWS_ENDPOINT_URL" else word for word in words]
        here += [] if "--endpoint-url" in words else ["--endpoint-url", self._stack.engine.endpoint]
        done = subprocess.run(here, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout


def _all_commands() -> list[str]:
    return [command for section in SECTIONS for command in _commands(section)]


Test = Callable[[Session, Page], None]


def follows(*sections: str) -> Callable[[Test], Any]:
    """Have a test follow these sections, one after another; every command of each has to have been run then."""
    _followed.update(sections)

    def of(test: Test) -> Any:
        @pytest.mark.parametrize("section", sections)
        def follow(stack: Session, section: str) -> None:
            page = Page(stack, section)
            test(stack, page)
            assert page.left == []

        follow.__doc__, follow.__name__ = test.__doc__, test.__name__
        return follow

    return of


def test_every_alarm_is_on_the_page():
    """Whoever is called by it finds it, and no alarm is told of that there is not."""
    alarms = set(re.findall(r"^  (\w+Alarm):$", Path(ROOT / "template.yaml").read_text("utf-8"), re.MULTILINE))
    told = set(re.findall(r"\b(\w+Alarm)\b", PAGE)) - {"AttentionAlarm", "QueueUnreadAlarm"}

    assert told == alarms - {"AttentionAlarm"}
    for name, text in SECTIONS.items():
        if name.endswith("Alarm"):
            assert all(f"**{part}" in text for part in ("It means", "Look", "Do**", "Do not")), name


def test_every_section_with_commands_is_followed():
    """A section that is added has to be tried."""
    assert _followed == {name for name in SECTIONS if _commands(name)}


# ----------------------------------------------------------------------------------------------------------------------
# What goes wrong
# ----------------------------------------------------------------------------------------------------------------------
def _mark() -> Mark:
    """Return a mark that no other test has used."""
    return Mark(f"RB {next(_numbers)}")


def _name(items: list[Item]) -> str:
    return str(items[0]["mark"]["S"])


def _ids(items: list[Item]) -> list[str]:
    return [item["eventId"]["S"] for item in items]


def _park(stack: Session) -> list[Item]:
    """Have the client's queue refuse events of a mark, and take some again."""
    mark = _mark()
    items = [mark.lock(), mark.unlock(), mark.lock()]
    sqs, url = stack.engine.client("sqs"), stack.queues[CLIENT]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    stack.deliver(items)
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    return items


def _quarantine(stack: Session) -> list[Item]:
    """Have an event break the contract, and others follow it."""
    mark = _mark()
    broken = mark.lock()
    broken["RegistrationNumber"]["M"]["Status"] = {"S": "MARK_WRONG"}
    items = [broken, mark.lock(), mark.unlock()]
    stack.deliver(items)
    return items


def _held(stack: Session) -> set[tuple[str, str]]:
    """Return of whom which marks are held."""
    held = inspection.held(stack.engine, stack.outputs["ParkedEventsTableName"])
    return {(recipient, event["mark"]) for recipient, events in held.items() for event in events}


def _got(stack: Session, client: str, items: list[Item]) -> list[str]:
    """Return which of these events are in a client's queue, in its order, and take them out."""
    wanted = _ids(items)
    return [one.event_id for one in drain(stack.engine, stack.queues[client]) if one.event_id in wanted]


def _delivered_and_lost(stack: Session, mark: Mark | None = None) -> list[Item]:
    """Deliver events of a mark, and take them out of every queue, as a client that lost them."""
    mark = mark or _mark()
    items = [mark.lock(), mark.unlock()]
    stack.deliver(items)
    for url in stack.queues.values():
        drain(stack.engine, url)
    return items


# ----------------------------------------------------------------------------------------------------------------------
# The sections
# ----------------------------------------------------------------------------------------------------------------------
@follows("First of all", "SurveyFailsAlarm")
def test_looking_tells_what_waits_and_for_whom(stack: Session, page: Page):
    """Both recipients, both marks, and everybody who has registered."""
    parked, quarantined = _park(stack), _quarantine(stack)

    status, held = page.run("meq status"), page.run("meq held")
    assert re.search(rf"^{CLIENT} +1 +3$", status, re.MULTILINE)
    assert re.search(r"^gate +1 +3$", status, re.MULTILINE)
    assert all(name in held for name in (_name(parked), _name(quarantined), "Sqs.AccessDenied"))
    if page.left:
        clients = page.run("meq clients")
        assert all(name in clients for name in (CLIENT, "Police", ORIGINAL))


@follows("BatchesNotDeliveredAlarm")
def test_stores_that_answer_say_so(stack: Session, page: Page):
    """Table, bucket and registrations are read."""
    told = page.run("meq status")
    assert ("Nothing is held." in told, "Registered: 3 clients." in told) == (True, True)


@follows("RecordsWithoutImageAlarm")
def test_what_came_without_an_image_is_brought_and_what_came_whole_behind_it_goes_on(stack: Session, page: Page):
    """Two records without an image of events that are in the table, and a whole event behind them."""
    of_producer = _mark()
    items = _delivered_and_lost(stack, of_producer)
    mark = _name(items)
    _without_image(stack, items)
    whole = of_producer.lock()
    stack.deliver([whole])

    assert mark in page.run("meq held --gate")
    page.run("meq history CLIENT --mark MARK", mark, ORIGINAL)
    assert _got(stack, ORIGINAL, [*items, whole]) == _ids(items)
    page.run("meq discard --gate MARK", mark, code=1)
    assert (GATE, mark) in _held(stack), "only the first record is given up"
    page.run_again('meq discard --gate MARK --reason "came without', mark)
    assert (GATE, mark) not in _held(stack)
    for client in (CLIENT, ORIGINAL):
        assert _got(stack, client, [whole]) == _ids([whole])


def _without_image(stack: Session, items: list[Item]) -> None:
    """Hand the converter records of events as a stream tells them whose view leaves the images out."""
    records = [without_image(record(item, number)) for number, item in enumerate(items, start=1)]
    answer = stack.engine.client("lambda").invoke(
        FunctionName=stack.outputs["ConverterFunctionName"], Payload=json.dumps({"Records": records})
    )
    assert json.load(answer["Payload"]) == {"batchItemFailures": []}


@follows("UndeliveredRecordsAlarm")
def test_a_mark_that_a_client_lacks_is_explained_and_brought(stack: Session, page: Page):
    """From the producer's table, whether or not the client ever asked for a history."""
    items = _delivered_and_lost(stack)

    assert "delivered" in page.run("meq explain CLIENT", _name(items))
    page.run("meq history CLIENT", _name(items))
    assert _got(stack, CLIENT, items) == _ids(items)


@follows("UndeliveredObjectsAlarm")
def test_what_the_stream_gave_up_is_replayed(stack: Session, page: Page):
    """Every client gets it, and the object leaves the bucket."""
    mark = _mark()
    items = [mark.lock(), mark.unlock()]
    bucket, store = stack.outputs["UndeliveredRecordsBucketName"], stack.engine.client("s3")
    store.put_object(Bucket=bucket, Key="aws/lambda/mapping/shard/one", Body=given_up(items))

    page.run("meq replay")
    assert _got(stack, CLIENT, items) == _ids(items)
    assert store.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@follows("QuarantineAlarm")
def test_what_breaks_the_contract_is_seen_stays_and_is_given_up(stack: Session, page: Page):
    """A release says what still breaks it; a discard lets go what follows.

    That a release lets go what a wider contract allows, tests/e2e/test_contract_change.py shows.
    """
    items = _quarantine(stack)
    mark = _name(items)

    assert mark in page.run("meq held --gate")
    assert "/RegistrationNumber/Status" in page.run("meq show --gate", mark)
    assert mark in page.run("meq release --dry-run")
    assert mark in page.run("meq release", code=1)
    assert _got(stack, CLIENT, items) == []
    page.run("meq discard --gate", mark)
    assert (_got(stack, CLIENT, items), _held(stack)) == (_ids(items)[1:], set())


@follows("ParkedEventsAlarm")
def test_what_is_parked_is_seen_and_redriven_or_given_up(stack: Session, page: Page):
    """All of it, in order; for a client that has gone it leaves the table."""
    items = _park(stack)
    mark = _name(items)

    held = page.run("meq held --client")
    assert all(told in held for told in (mark, "parked", "Sqs.AccessDenied"))
    assert CLIENT in page.run("meq clients")
    assert "deliver 3 to Insurer" in page.run("meq redrive CLIENT --dry-run")
    assert _got(stack, CLIENT, items) == []
    page.run("meq redrive CLIENT")
    assert (_got(stack, CLIENT, items), _held(stack)) == (_ids(items), set())

    given_up = _park(stack)
    page.run("meq discard CLIENT --all")
    assert (_got(stack, CLIENT, given_up), _held(stack)) == ([], set())


@follows("ClientQueueUnreadAlarm")
def test_a_client_is_paused_and_resumed(stack: Session, page: Page):
    """What comes meanwhile is held for it alone, and follows in order."""
    mark = _mark()
    items = [mark.lock(), mark.unlock()]

    page.run("meq pause CLIENT", client=ORIGINAL)
    time.sleep(6)  # the converter keeps a registration for 2 s here, the selection for 5
    stack.deliver(items)
    assert _held(stack) == {(ORIGINAL, _name(items))}
    assert (_got(stack, ORIGINAL, items), _got(stack, CLIENT, items)) == ([], _ids(items))
    page.run("meq resume CLIENT", client=ORIGINAL)
    assert (_got(stack, ORIGINAL, items), _held(stack)) == (_ids(items), set())


@follows("MalformedRegistrationsAlarm", "ClientsCrowdedOutAlarm")
def test_a_client_that_was_not_served_gets_what_it_lacks(stack: Session, page: Page):
    """It is named with the reason; when its registration is mended, a mark is brought from the producer's table."""
    mark = _mark()
    items = [mark.lock(), mark.unlock()]
    with _registered(stack, {"queueUrl": stack.queues[CLIENT], "pasued": True}):
        stack.deliver(items)
        assert re.search(rf"{CLIENT}.*pasued", page.run("meq clients"))
    assert _got(stack, CLIENT, items) == []

    page.run("meq history CLIENT", _name(items))
    assert _got(stack, CLIENT, items) == _ids(items)


@contextmanager
def _registered(stack: Session, said: dict[str, Any]) -> Iterator[None]:
    """Let the client's registration say something else for the length of the context."""
    ssm, name = stack.engine.client("ssm"), f"{stack.outputs['ClientsPath']}/{CLIENT}"
    before = ssm.get_parameter(Name=name)["Parameter"]["Value"]

    def put(value: str) -> None:
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
        stack.forget_registrations()

    put(json.dumps(said))
    try:
        yield
    finally:
        put(before)


@follows("HistoryAlarm")
def test_a_history_that_never_began_is_seen_and_begun(stack: Session, page: Page):
    """The client asked for everything from the beginning, and nobody told the machine so."""
    items = _delivered_and_lost(stack)
    with _registered(stack, {"queueUrl": stack.queues[CLIENT], "from": "beginning"}):
        assert re.search(rf"{CLIENT}.*pending", page.run("meq clients"))
        page.run("meq history CLIENT")
        assert _got(stack, CLIENT, items) == _ids(items)


@follows("A client's queue is gone")
def test_a_queue_is_made_again_and_gets_what_was_parked_and_what_it_lost(stack: Session, page: Page):
    """What it had not read is gone with it, and comes from the producer's table."""
    unread, parked = _mark(), _mark()
    lost, late = [unread.lock(), unread.unlock()], [parked.lock(), parked.unlock()]
    stack.deliver(lost)
    stack.engine.client("sqs").delete_queue(QueueUrl=stack.queues[CLIENT])
    stack.deliver(late)

    page.run("aws sqs create-queue")
    page.run("meq redrive CLIENT")
    assert _got(stack, CLIENT, [*lost, *late]) == _ids(late)
    page.run("meq history CLIENT", _name(lost))
    assert _got(stack, CLIENT, [*lost, *late]) == _ids(lost)


@follows("An exercise")
def test_the_exercise_can_be_done_by_what_is_on_the_page(stack: Session, page: Page):
    """A queue is deleted while events arrive; by the commands of the sections it names, all of it comes back."""
    mark = _mark()
    before, after = [mark.lock()], [mark.unlock(), mark.lock()]
    stack.deliver(before)
    assert _got(stack, CLIENT, before) == _ids(before)
    put_in_batches(stack.engine, after[:1])
    page.run("aws sqs delete-queue")
    put_in_batches(stack.engine, after[1:])
    until(lambda: (CLIENT, _name(before)) in _held(stack), "the queue to be missed")

    assert CLIENT in page.run("meq status")
    assert "QueueDoesNotExist" in page.run("meq held --client")
    gone = Page(stack, "A client's queue is gone")
    gone.run("aws sqs create-queue")
    gone.run("meq redrive CLIENT")
    assert _held(stack) == set()
    assert _got(stack, CLIENT, after) in (_ids(after), _ids(after)[1:]), "what reached the queue in time went with it"
