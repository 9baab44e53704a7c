"""The mocked cases of MockConfigFile.json, which has the format of Step Functions Local, for the interpreter."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from moto.stepfunctions.parser.mocking.mock_config import (
    MockedResponse,
    MockedResponseReturn,
    MockedResponseThrow,
    MockTestCase,
    StateMockedResponses,
)

from tests.statemachine.definitions import FILES, Definition, load, substituted, substitutions

MACHINE = "DeliverEvents"
CONFIG: dict[str, Any] = json.loads((Path(__file__).parent / "MockConfigFile.json").read_text("utf-8"))
CASES: dict[str, dict[str, str]] = CONFIG["StateMachines"][MACHINE]["TestCases"]
RESPONSES: dict[str, dict[str, Any]] = CONFIG["MockedResponses"]

CLIENT = {"name": "original", "queueUrl": "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"}


def definition(**replacements: str) -> Definition:
    """Return the definition that delivers events; what is not given for the template to put in is its own name."""
    (file,) = [file for file in FILES if file.name == "deliver-events.asl.json"]
    loaded = load(file)
    return substituted(loaded, {name: name for name in substitutions(loaded)} | replacements)


def mocked(case: str, without: Collection[str] = ()) -> MockTestCase:
    """Return a case of the file; the states that are left out call what they call."""
    states = {state: name for state, name in CASES[case].items() if state not in without}
    return MockTestCase(
        MACHINE, case, [StateMockedResponses(state, name, _responses(name)) for state, name in states.items()]
    )


def first_and_last(key: str) -> tuple[int, int]:
    """Return the numbers of the attempts that a response is for: "0" or "1-2"."""
    first, _, last = key.partition("-")
    return int(first), int(last or first)


def _responses(name: str) -> list[MockedResponse]:
    return [_response(*first_and_last(key), response) for key, response in RESPONSES[name].items()]


def _response(first: int, last: int, response: dict[str, Any]) -> MockedResponse:
    if "Throw" in response:
        return MockedResponseThrow(first, last, response["Throw"]["Error"], response["Throw"]["Cause"])
    return MockedResponseReturn(first, last, response["Return"])
