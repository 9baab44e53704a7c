"""The mocked cases of MockConfigFile.json, which has the format of Step Functions Local, and what they run on."""

import json
from pathlib import Path
from typing import Any

from tests.statemachine.definitions import FILES, Definition, load, substituted, substitutions

DELIVER, REDRIVE, HISTORY = "DeliverEvents", "RedriveEvents", "DeliverHistory"

CONFIG_FILE = Path(__file__).parent / "MockConfigFile.json"
_CONFIG: dict[str, Any] = json.loads(CONFIG_FILE.read_text("utf-8"))
CASES: dict[str, dict[str, dict[str, str]]] = {
    machine: body["TestCases"] for machine, body in _CONFIG["StateMachines"].items()
}
RESPONSES: dict[str, dict[str, Any]] = _CONFIG["MockedResponses"]

_FILE_NAMES = {
    DELIVER: "deliver-events.asl.json",
    REDRIVE: "redrive-events.asl.json",
    HISTORY: "deliver-history.asl.json",
}


def definition(machine: str = DELIVER, **replacements: str) -> Definition:
    """Return a machine's definition; what is not given for the template to put in is its own name."""
    (file,) = [file for file in FILES if file.name == _FILE_NAMES[machine]]
    loaded = load(file)
    return substituted(loaded, {name: name for name in substitutions(loaded)} | replacements)


def first_and_last(key: str) -> tuple[int, int]:
    """Return the numbers of the calls that a response is for: "0" or "1-2"."""
    first, _, last = key.partition("-")
    return int(first), int(last or first)
