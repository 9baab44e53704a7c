"""Follows the data through a definition: which fields a state's input has, and which paths name others.

What a Task answers is known from AWS's service models; what a function of ours answers is not, so
every field of it is believed. Where several ways lead to a state, only what all of them bring counts.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from botocore.model import ListShape, MapShape, StructureShape

from tests.statemachine.definitions import Definition, State, values
from tests.statemachine.rules import RUN_EXECUTION, START_EXECUTION, operation_of


class Items(NamedTuple):
    """An array of things of one shape."""

    element: "Shape"


Shape: TypeAlias = "dict[str, Shape] | Items | None"
"""An object with exactly these fields (a text or a number has none), an array, or anything at all."""

_PATH = re.compile(r"\$\$?(?:\.\w+|\[[\d*]+])*")
_STEP = re.compile(r"\.(\w+)|\[([\d*]+)]")
_INVOCATION: Shape = {"Payload": None, "StatusCode": {}, "ExecutedVersion": {}}
_STARTED: Shape = {"ExecutionArn": {}, "StartDate": {}}
_STARTED_BY: dict[str, Shape] = {START_EXECUTION: _STARTED, RUN_EXECUTION: {"Output": None, "Status": {}}}
_CAUGHT: Shape = {"Error": {}, "Cause": {}}


def unknown_fields(definition: Definition, given: Shape) -> list[str]:
    """Return every place where a path names a field that is not there, for an input of the given shape."""
    walk = _Walk()
    walk.scope(definition, given)
    return sorted(walk.problems)


class _Walk:
    def __init__(self) -> None:
        self.problems: set[str] = set()
        self._state = ""
        self._item: Shape = None

    def scope(self, scope: dict[str, Any], given: Shape) -> Shape:
        """Follow a scope from its start; return what its ends give, all of them together."""
        inputs: dict[str, Shape] = {scope["StartAt"]: given}
        ahead = [scope["StartAt"]]
        results: list[Shape] = []
        while ahead:
            name = ahead.pop()
            results = []
            for target, shape in self._leave(name, scope["States"][name], inputs[name]):
                merged = _common(inputs[target], shape) if target in inputs else shape
                if target not in inputs or merged != inputs[target]:
                    inputs[target] = merged
                    ahead.append(target)
        for name, shape in inputs.items():
            if scope["States"][name].get("End"):
                results += [output for _, output in self._leave(name, scope["States"][name], shape, ends=True)]
        return _together(results)

    def _leave(self, name: str, state: State, given: Shape, ends: bool = False) -> Iterator[tuple[str, Shape]]:
        self._state = name
        if state["Type"] == "Choice":
            for choice in state["Choices"]:
                for key, value in values(choice):
                    if key == "Variable" or key.endswith("Path"):
                        self._look_up(given, value)
                yield choice["Next"], given
            yield state["Default"], given
            return
        result = self._result(state, given)
        self._state = name
        if "ResultSelector" in state:
            result = self._fill(state["ResultSelector"], result)
        output = _put(given, state.get("ResultPath", "$"), result)
        if "OutputPath" in state:
            output = self._look_up(output, state["OutputPath"])
        for catcher in state.get("Catch", ()):
            yield catcher["Next"], _put(given, catcher.get("ResultPath", "$"), _CAUGHT)
        if "Next" in state:
            yield state["Next"], output
        elif ends:
            yield "", output

    def _result(self, state: State, given: Shape) -> Shape:
        match state["Type"]:
            case "Map":
                items = self._look_up(given, state["ItemsPath"])
                outer, self._item = self._item, items.element if isinstance(items, Items) else None
                element = self._fill(state["ItemSelector"], given) if "ItemSelector" in state else self._item
                result: Shape = Items(self.scope(state["ItemProcessor"], element))
                self._item = outer
                return result
            case "Task":
                self._fill(state["Parameters"], given)
                operation = operation_of(state)
                if operation:
                    return _shape_of(operation.model.output_shape)
                return _STARTED_BY.get(state["Resource"], _INVOCATION)
            case _ if "Result" in state:
                return _constant(state["Result"])
            case _:
                return self._fill(state["Parameters"], given) if "Parameters" in state else given

    def _fill(self, template: Any, given: Shape) -> Shape:
        if not isinstance(template, dict):
            return {}
        return {
            key.removesuffix(".$"): self._evaluate(value, given) if key.endswith(".$") else self._fill(value, given)
            for key, value in template.items()
        }

    def _evaluate(self, expression: str, given: Shape) -> Shape:
        shapes = [self._look_up(given, path) for path in _PATH.findall(expression)]
        return None if expression.startswith("States.") else shapes[0]

    def _context(self) -> Shape:
        return {
            "Execution": {"Id": {}, "Name": {}, "Input": None, "StartTime": {}, "RoleArn": {}},
            "StateMachine": {"Id": {}, "Name": {}},
            "State": {"Name": {}, "EnteredTime": {}},
            "Map": {"Item": {"Value": self._item, "Index": {}}},
        }

    def _look_up(self, given: Shape, path: str) -> Shape:
        shape = self._context() if path.startswith("$$") else given
        for field, index in _STEP.findall(path):
            if shape is None:
                return None
            if (field and (not isinstance(shape, dict) or field not in shape)) or (index and isinstance(shape, dict)):
                self.problems.add(f"{self._state} reads {path}, which is not there")
                return None
            shape = shape[field] if isinstance(shape, dict) else shape.element
        return Items(shape) if "[*]" in path else shape


def _put(given: Shape, path: str | None, result: Shape) -> Shape:
    if path is None:
        return given
    fields = [field for field, _ in _STEP.findall(path)]
    return _nest(given, fields, result)


def _nest(given: Shape, fields: list[str], result: Shape) -> Shape:
    if not fields:
        return result
    if not isinstance(given, dict):
        return None
    return given | {fields[0]: _nest(given.get(fields[0], {}), fields[1:], result)}


def _constant(value: Any) -> Shape:
    return {name: _constant(part) for name, part in value.items()} if isinstance(value, dict) else {}


def _common(one: Shape, other: Shape) -> Shape:
    if isinstance(one, dict) and isinstance(other, dict):
        return {field: _common(one[field], other[field]) for field in one.keys() & other.keys()}
    if isinstance(one, Items) and isinstance(other, Items):
        return Items(_common(one.element, other.element))
    return None


def _together(shapes: list[Shape]) -> Shape:
    together: dict[str, Shape] = {}
    for shape in shapes:
        if not isinstance(shape, dict):
            return None
        together |= shape
    return together


def _shape_of(model: Any) -> Shape:
    if isinstance(model, StructureShape):
        return {name: _shape_of(member) for name, member in model.members.items()}
    if isinstance(model, ListShape):
        return Items(_shape_of(model.member))
    return None if isinstance(model, MapShape) else {}
