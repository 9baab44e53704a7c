"""The state machines' definitions as data: their scopes, their states, and what the template puts into them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "statemachines").glob("*.asl.json"))

State = dict[str, Any]
Definition = dict[str, Any]

_SUBSTITUTION = re.compile(r"\$\{(\w+)}")


class Scope(NamedTuple):
    """States among which transitions are possible: the machine itself, or the processor of a Map."""

    name: str
    start_at: str
    states: dict[str, State]


def load(file: Path) -> Definition:
    """Return the definition that a file holds."""
    definition: Definition = json.loads(file.read_text("utf-8"))
    return definition


def scopes(definition: Definition, name: str = "machine") -> Iterator[Scope]:
    """Yield the definition's scopes, the outer before the inner."""
    yield Scope(name, definition["StartAt"], definition["States"])
    for state_name, state in definition["States"].items():
        if "ItemProcessor" in state:
            yield from scopes(state["ItemProcessor"], state_name)


def states(definition: Definition) -> Iterator[tuple[str, State]]:
    """Yield every state of every scope with its name."""
    for scope in scopes(definition):
        yield from scope.states.items()


def tasks(definition: Definition) -> dict[str, State]:
    """Return the Task states by name."""
    return {name: state for name, state in states(definition) if state["Type"] == "Task"}


def targets(state: State) -> list[str]:
    """Return the states that may follow a state, in the order in which the definition names them."""
    choices = [choice["Next"] for choice in state.get("Choices", ())]
    catches = [catcher["Next"] for catcher in state.get("Catch", ())]
    ordinary = [state[key] for key in ("Next", "Default") if key in state]
    return [*choices, *catches, *ordinary]


def values(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key of a JSON tree with its value, at any depth; elements of arrays have the key ""."""
    items = node.items() if isinstance(node, dict) else (("", value) for value in node)
    for key, value in items:
        yield key, value
        if isinstance(value, dict | list):
            yield from values(value)


def substitutions(definition: Definition) -> set[str]:
    """Return the names that the definition expects the template to put in."""
    return {name for _, value in values(definition) if isinstance(value, str) for name in _SUBSTITUTION.findall(value)}


def substituted(definition: Definition, replacements: dict[str, str]) -> Definition:
    """Return the definition with every ${Name} replaced, as AWS::StepFunctions::StateMachine does."""
    text = _SUBSTITUTION.sub(lambda match: replacements[match[1]], json.dumps(definition))
    result: Definition = json.loads(text)
    return result


def in_turn(definition: Definition) -> Definition:
    """Return the definition with the iterations of every Map one after another.

    Mocked answers are numbered over all iterations: side by side, it would be chance which one gets which.
    """
    copied: Definition = json.loads(json.dumps(definition))
    for _, state in states(copied):
        if state["Type"] == "Map":
            state["MaxConcurrency"] = 1
    return copied


def machine_in_template(file: Path) -> dict[str, Any]:
    """Return the properties of the template's state machine that has the file for its definition."""
    template = yaml_parse((ROOT / "template.yaml").read_text("utf-8"))
    uri = file.relative_to(ROOT).as_posix()
    (properties,) = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource.get("Properties", {}).get("DefinitionUri") == uri
    ]
    return dict(properties)
