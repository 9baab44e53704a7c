"""Proves that the runner of the mocked cases for Step Functions Local finds what does and what does not come out right.

It runs against MiniStack, as far as MiniStack can do the cases. Step Functions Local itself is not proven
here: it takes a Docker engine, or a jar that no package registry has.
"""

import inspect
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ministack.services import stepfunctions

from local import engine, sfn_local
from tests.fakes import aws_fake
from tests.statemachine.cases import CASES, CONFIG_FILE, DELIVER, RESPONSES, definition
from tests.statemachine.definitions import states, tasks
from tests.statemachine.expectations import EXPECTED, Case


def _succeeds_at_a_retry(machine: str, case: str) -> bool:
    """Tell whether a case has a Task succeed when tried again: MiniStack repeats a mocked Throw at every retry."""
    return any(
        any("Return" in answer for answer in RESPONSES[response].values())
        and any(_retried(TASKS[machine][state], answer) for answer in RESPONSES[response].values())
        for state, response in CASES[machine][case].items()
    )


def _retried(task: dict[str, Any], answer: dict[str, Any]) -> bool:
    error = answer.get("Throw", {}).get("Error")
    return any(error in retrier["ErrorEquals"] and retrier["MaxAttempts"] for retrier in task["Retry"])


def _compares_times(machine: str, case: str) -> bool:
    """Tell whether a case takes a branch by a timestamp of its input: MiniStack knows no such comparison."""
    branches = {
        choice["Next"]
        for _, state in states(definition(machine))
        for choice in state.get("Choices", ())
        if any(key.startswith("Timestamp") and key.endswith("Path") for key in choice)
    }
    return bool(branches & set(EXPECTED[machine][case].way))


TASKS = {machine: tasks(definition(machine)) for machine in CASES}

TRUST = """{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
]}"""

BEYOND = [case for case in sfn_local.every_case() if _succeeds_at_a_retry(*case)]
WITHIN = [case for case in sfn_local.every_case() if not _succeeds_at_a_retry(*case) and not _compares_times(*case)]


Run = Callable[..., list[sfn_local.Verdict]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """What runs cases on MiniStack."""
    with engine.running(SFN_MOCK_CONFIG=str(CONFIG_FILE), SFN_WAIT_SCALE="0") as running:
        role = running.client("iam").create_role(RoleName="machine", AssumeRolePolicyDocument=TRUST)["Role"]

        def run_cases(*cases: tuple[str, str]) -> list[sfn_local.Verdict]:
            return list(sfn_local.run(running.client("stepfunctions"), cases, role["Arn"]))

        yield run_cases


def test_most_cases_are_within_what_ministack_can_do():
    """Each machine has cases on both sides, so that neither of the next two tests is without one."""
    for side in (WITHIN, BEYOND):
        assert {machine for machine, _ in side} == CASES.keys()
    assert len(WITHIN) > len(BEYOND)


@pytest.mark.parametrize("machine", CASES)
def test_cases_come_to_what_is_expected(run: Run, machine: str):
    """Status, error and way of every case that MiniStack can do are those that test_branches.py goes by."""
    cases = [case for case in WITHIN if case[0] == machine]
    verdicts = run(*cases)
    assert [verdict[:2] for verdict in verdicts] == cases
    assert [str(verdict) for verdict in verdicts if verdict.found] == []


@pytest.mark.parametrize("machine", CASES)
def test_cases_beyond_ministack_are_found_to_differ(run: Run, machine: str):
    """What MiniStack gets wrong the runner tells; one that it gets right by now belongs to the cases above."""
    verdicts = run(*[case for case in BEYOND if case[0] == machine])
    assert [str(verdict) for verdict in verdicts if not verdict.found] == []


def test_ministack_still_compares_no_times_of_an_input():
    """Its Choice passes over such a rule; once it does not, the cases that take one belong to the cases above."""
    left_out = set(sfn_local.every_case()) - set(WITHIN) - set(BEYOND)
    assert left_out == {(DELIVER, case) for case in ("StoresTooSlow", "ClientTurnComesLate", "SelectionComesLate")}
    assert "TimestampGreaterThanPath" not in inspect.getsource(stepfunctions._evaluate_rule)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"error": "States.Timeout"}, "ended ('SUCCEEDED', ''), not ('FAILED', 'States.Timeout')"),
        ({"way": ["Validate Events"]}, "came by ['Validate Events', 'Held At Gate?'"),
    ],
)
def test_a_difference_is_told(run: Run, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str):
    """A case that comes to something else than expected says what, under its name."""
    wrong: Case = EXPECTED[DELIVER]["NoClients"]._replace(**changes)
    monkeypatch.setitem(EXPECTED[DELIVER], "NoClients", wrong)
    (verdict,) = run((DELIVER, "NoClients"))
    assert len(verdict.found) == 1
    assert str(verdict).startswith(f"FAIL DeliverEvents#NoClients\n     {told}")


# ----------------------------------------------------------------------------------------------------------------------
# Starting it, as far as that goes here
# ----------------------------------------------------------------------------------------------------------------------
def _program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what a test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "Docker, or its jar: --jar PATH"), (["--jar", "missing.jar"], "the jar at missing.jar")],
)
def test_without_docker_and_without_the_jar_it_says_what_is_missing(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
):
    """The command fails, with what to do about it, and without a traceback."""
    assert sfn_local.main(arguments) == 2
    assert told in capsys.readouterr().err


def test_docker_without_an_engine_says_so(path: Path, capsys: pytest.CaptureFixture[str]):
    """What Docker said is passed on, and the container is ended even though it may never have begun."""
    _program(path, "docker", f'echo "$@" >> {path}/calls; echo "Cannot connect to the Docker daemon"; exit 1')
    assert sfn_local.main([]) == 2
    assert "Cannot connect to the Docker daemon" in capsys.readouterr().err
    begun, ended = (path / "calls").read_text().splitlines()
    container = ended.removeprefix("kill ")
    assert begun.startswith(f"run --rm --name {container} -p 127.0.0.1:")
    assert f"source={CONFIG_FILE}," in begun


def _stand_in_for_java(path: Path, port: str) -> None:
    """Put a program there that says what Step Functions Local says, and then does nothing for a minute."""
    (path / "local.jar").touch()
    said = f"2026-03-01 09:30:00.000: Starting server on port {port} with account 123456789012"
    _program(path, "java", f'echo $$ > {path}/pid; echo "$@" > {path}/call; echo "{said}"; exec /bin/sleep 60')


def _assert_ended(path: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.kill(int((path / "pid").read_text()), 0)


def test_the_jar_is_found_on_the_port_it_tells_of_and_ended(path: Path):
    """Whatever port it took, the client speaks to that one; the process does not outlive the context."""
    with aws_fake((200, {"stateMachines": []})) as aws:
        _stand_in_for_java(path, aws.url.rpartition(":")[2])
        with sfn_local.started(path / "local.jar") as machines:
            assert machines.list_state_machines()["stateMachines"] == []
    assert (path / "call").read_text() == f"-jar {path}/local.jar\n"
    _assert_ended(path)


def test_a_jar_that_never_answers_is_given_up_and_ended(path: Path, monkeypatch: pytest.MonkeyPatch):
    """The error holds what it said; the process does not outlive the attempt."""
    _stand_in_for_java(path, "1")
    monkeypatch.setattr(sfn_local, "_START_SECONDS", 1)
    with pytest.raises(engine.EngineError, match="Starting server on port 1 "), sfn_local.started(path / "local.jar"):
        pytest.fail("nothing answers on port 1")
    _assert_ended(path)
