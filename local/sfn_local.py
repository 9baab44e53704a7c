"""Runs the mocked cases of the state machines on Step Functions Local, AWS's own download, and compares.

`python -m local.sfn_local` starts the Docker image, `python -m local.sfn_local --jar PATH` the jar. Each case
of tests/statemachine/MockConfigFile.json is run, and its status, error and way are held against
tests/statemachine/expectations.py, which the tests of the other engines go by. The machine that delivers
events is an Express one; Step Functions Local starts no execution of these synchronously, so all are
created as Standard machines here, with the same definitions but for one point: the iterations of a Map go one
after another, so that each gets the answer that is meant for it.

tests/statemachine/test_sfn_local.py runs the comparing part on MiniStack. The starting part is tried there
only as far as it goes without a Docker engine and without the jar, which no package registry has.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import engine
from local.engine import EngineError
from local.environment import isolate
from tests.statemachine.cases import CASES, CONFIG_FILE, definition
from tests.statemachine.definitions import in_turn
from tests.statemachine.expectations import EXPECTED

_IMAGE = "amazon/aws-stepfunctions-local"
_CONFIG_IN_IMAGE = "/home/StepFunctionsLocal/MockConfigFile.json"
_ROLE = "arn:aws:iam::123456789012:role/machine"
_START_SECONDS = 300  # the image may have to be pulled first
_CASE_SECONDS = 60
_LISTENING = re.compile(r"Starting server on port (\d+)")
_SETTINGS = {
    "AWS_DEFAULT_REGION": "eu-west-2",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "WAIT_TIME_SCALE": "0",
}


class Verdict(NamedTuple):
    """What became of a case: nothing is found where it came to what was expected."""

    machine: str
    case: str
    found: list[str]

    def __str__(self) -> str:
        """The line that is printed."""
        return "\n     ".join([f"{'FAIL' if self.found else 'ok':<4} {self.machine}#{self.case}", *self.found])


def run(machines: Any, cases: Sequence[tuple[str, str]], role_arn: str = _ROLE) -> Iterator[Verdict]:
    """Run cases, (machine, case) each, by a client of Step Functions; yield the verdict on each as it is known."""
    arns = {machine: _create(machines, machine, role_arn) for machine in dict(cases)}
    for machine, case in cases:
        yield Verdict(machine, case, list(_differences(machines, arns[machine], machine, case)))


def every_case() -> list[tuple[str, str]]:
    """Return all cases of all machines, but those whose deadline passes in the middle of an execution."""
    every = [(machine, case) for machine, cases in CASES.items() for case in cases]
    return [(machine, case) for machine, case in every if not EXPECTED[machine][case].late_at]


def _create(machines: Any, machine: str, role_arn: str) -> str:
    one_by_one = json.dumps(in_turn(definition(machine)))
    created = machines.create_state_machine(name=machine, definition=one_by_one, roleArn=role_arn)
    return str(created["stateMachineArn"])


def _differences(machines: Any, arn: str, machine: str, case: str) -> Iterator[str]:
    expected = EXPECTED[machine][case]
    started = machines.start_execution(stateMachineArn=f"{arn}#{case}", input=json.dumps(expected.given))
    ended = _wait(machines, started["executionArn"])
    came_to = ended["status"], ended.get("error", "")
    wanted = ("FAILED" if expected.error else "SUCCEEDED"), expected.error
    if came_to != wanted:
        yield f"ended {came_to}, not {wanted}: {ended.get('cause', '')}"
    way = _way(machines, started["executionArn"])
    if way != expected.way:
        yield f"came by {way}, not by {expected.way}"


def _wait(machines: Any, execution_arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + _CASE_SECONDS
    while time.monotonic() < deadline:
        execution: dict[str, Any] = machines.describe_execution(executionArn=execution_arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.05)
    return {"status": "RUNNING", "cause": f"not ended after {_CASE_SECONDS} s"}


def _way(machines: Any, execution_arn: str) -> list[str]:
    pages = machines.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    entered = [event.get("stateEnteredEventDetails") for page in pages for event in page["events"]]
    return [details["name"] for details in entered if details]


# ----------------------------------------------------------------------------------------------------------------------
# Step Functions Local
# ----------------------------------------------------------------------------------------------------------------------
@contextmanager
def started(jar: Path | None) -> Iterator[Any]:
    """Run Step Functions Local for the length of the context; give a client of it.

    Raises:
        EngineError: neither Docker nor the jar could be started; says what is missing.
    """
    isolate()
    container, port = f"mark-event-queue-{uuid4()}", engine._free_port()
    command = _with_java(jar) if jar else _with_docker(container, port)
    environment = os.environ | _SETTINGS | {"SFN_MOCK_CONFIG": str(CONFIG_FILE), "PORT": str(port)}
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder:
        log = Path(folder) / "step-functions-local.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, env=environment, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        try:
            yield _answering(process, log, port, moved=jar is not None)
        finally:
            if not jar:
                subprocess.run(["docker", "kill", container], capture_output=True, check=False)  # noqa: S607
            process.terminate()
            process.wait(timeout=30)


def _with_java(jar: Path) -> list[str]:
    if not jar.is_file() or not shutil.which("java"):
        raise EngineError(f"to run the jar takes java on the PATH, and the jar at {jar}")
    return ["java", "-jar", str(jar)]


def _with_docker(container: str, port: int) -> list[str]:
    if not shutil.which("docker"):
        raise EngineError("Step Functions Local takes Docker, or its jar: --jar PATH (and java)")
    settings = _SETTINGS | {"SFN_MOCK_CONFIG": _CONFIG_IN_IMAGE}
    variables = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
    mount = f"type=bind,readonly,source={CONFIG_FILE},destination={_CONFIG_IN_IMAGE}"
    publish = f"127.0.0.1:{port}:8083"
    return ["docker", "run", "--rm", "--name", container, "-p", publish, "--mount", mount, *variables, _IMAGE]


def _answering(process: subprocess.Popen[bytes], log: Path, port: int, moved: bool) -> Any:
    """Wait for the first answer; the jar may not have taken the port that it was given, but says which one it has."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        told = _LISTENING.search(log.read_text(errors="replace")) if moved else None
        client = _client(int(told[1]) if told else port)
        try:
            client.list_state_machines()
            return client
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise EngineError(f"Step Functions Local did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _client(port: int) -> Any:
    session: Any = boto3.Session()
    config = Config(inject_host_prefix=False, retries={"total_max_attempts": 1})
    return session.client("stepfunctions", endpoint_url=f"http://127.0.0.1:{port}", config=config)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every case; return 0 if each came to what was expected, 1 if not, 2 if nothing could be run."""
    parser = argparse.ArgumentParser(prog="python -m local.sfn_local", description=__doc__)
    parser.add_argument("--jar", type=Path, help="StepFunctionsLocal.jar, to be run by java instead of Docker")
    chosen = parser.parse_args(arguments)
    differing = 0
    try:
        with started(chosen.jar) as machines:
            for verdict in run(machines, every_case()):
                print(verdict, flush=True)
                differing += bool(verdict.found)
    except EngineError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(every_case()) - differing} of {len(every_case())} cases came to what was expected")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
