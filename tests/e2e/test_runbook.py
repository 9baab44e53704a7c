"""Proves, on the deployed stack, that the runbook knows every alarm, and that each of its commands does what it is for.

The commands are read from the page. CLIENT and MARK are put in as the page says. What waits between a redrive of the
past and the next batch is 240 s; the test says --settle 0, since nothing is in flight.
"""

import json
import re
import shlex
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.marks import Item, Mark
from local.queues import drain
from local.session import Session
from local.stack import ROOT
from meq.__main__ import commands
from tests.builders import DENY_ALL

PAGE = (ROOT / "docs" / "runbook.md").read_text("utf-8")
CLIENT = "Insurer"
_OTHER_SECTIONS = {"First of all", "An exercise"}


def _alarms() -> set[str]:
    template = Path(ROOT / "template.yaml").read_text("utf-8")
    return set(re.findall(r"^  (\w+Alarm):$", template, re.MULTILINE))


def _commands(section: str) -> list[str]:
    blocks: list[str] = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}


def test_every_alarm_is_on_the_page():
    """Whoever is called by it finds it, and no alarm is told of that there is not."""
    told = set(re.findall(r"\b(\w+Alarm)\b", PAGE)) - {"AttentionAlarm", "QueueUnreadAlarm"}

    assert told == _alarms() - {"AttentionAlarm"}
    for name, text in SECTIONS.items():
        if name.endswith("Alarm"):
            assert all(f"**{part}" in text for part in ("It means", "Look", "Do**", "Do not")), name


@pytest.fixture
def waiting(stack: Session) -> tuple[list[Item], list[Item]]:
    """Events parked for the client, and one held at the gate with what follows it."""
    parked, held = _marks()
    broken = held.lock()
    broken["RegistrationNumber"]["M"]["Status"] = {"S": "MARK_WRONG"}
    mine, followers = [parked.lock(), parked.unlock()], [broken, held.lock(), held.unlock()]
    sqs, url = stack.engine.client("sqs"), stack.queues[CLIENT]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    stack.deliver([*mine, *followers])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    return mine, followers


_numbers = count(1)


def _marks() -> tuple[Mark, Mark]:
    """Marks that no other test has used."""
    number = next(_numbers)
    return Mark(f"RBP {number}"), Mark(f"RBG {number}")


def _run(stack: Session, command: str, mark: str) -> Result:
    words = shlex.split(command.replace("CLIENT", CLIENT).replace("MARK", shlex.quote(mark)))
    assert words[0] == "meq", command
    if words[1] == "history" and "--mark" in words:
        words += ["--settle", "0"]
    return CliRunner(mix_stderr=False).invoke(commands, words[1:], obj={"clients": stack.engine})


@pytest.mark.parametrize("section", [name for name, text in SECTIONS.items() if _commands(text)])
def test_each_command_of_the_runbook_does_something(stack: Session, waiting: tuple[list[Item], list[Item]], section):
    """None is refused as wrong: it did all of it, or says what stays. What it is for is done at the end."""
    mine, followers = waiting
    for_client, at_gate = mine[0]["mark"]["S"], followers[0]["mark"]["S"]
    failed = []
    for command in _commands(SECTIONS[section]):
        done = _run(stack, command, at_gate if "--gate" in command else for_client)
        refused = done.exit_code not in (0, 1) and "asked for no history" not in done.stderr
        failed += [(command, done.stdout, done.stderr, done.exception)] if refused else []
    assert failed == []

    held = json.loads(_run(stack, "meq held --json", "").stdout)
    left = {(one["recipient"], one["mark"]) for one in held}
    got = [one.event_id for one in drain(stack.engine, stack.queues[CLIENT])]
    ran = " ".join(_commands(SECTIONS[section]))
    if "discard --gate" in ran:
        assert ("gate", at_gate) not in left
        assert [one["eventId"]["S"] for one in followers[1:]] == [one for one in got if one in _ids(followers)]
    if "redrive CLIENT" in ran.replace("redrive CLIENT --dry-run", ""):
        assert (CLIENT, for_client) not in left
        assert _ids(mine) == [one for one in got if one in _ids(mine)]


def _ids(items: list[Item]) -> list[str]:
    return [item["eventId"]["S"] for item in items]
