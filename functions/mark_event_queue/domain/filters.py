"""A client's filter: a JSON Schema that is known to be safe before any event is held against it."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mark_event_queue.domain.errors import FilterError

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

    from mark_event_queue.domain.contract import Violation

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

# What a filter may come to with its references followed: far more than anybody writes, and microseconds to evaluate.
MOST_SUBSCHEMAS = 500
DEEPEST = 24
_PATTERN_BYTES = 200_000

_REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_.-]+)", re.ASCII)

# What gives a schema another identity, loads another one, or judges a subschema anew on every level.
_REFUSED = {
    "$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary",
    "unevaluatedProperties", "unevaluatedItems",
}  # fmt: skip
_NAMED_SUBSCHEMAS = {"properties", "patternProperties", "$defs", "dependentSchemas"}
_LISTED_SUBSCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SUBSCHEMAS = {
    "not", "if", "then", "else", "items", "contains", "additionalProperties", "propertyNames", "contentSchema",
}  # fmt: skip


class Filter:
    """A JSON Schema 2020-12 that an event has to satisfy to be delivered to a client."""

    def __init__(self, schema: Any) -> None:
        """Take the schema, which is compiled when it is needed first.

        Raises:
            FilterError: it is none, or not safe; the text reads behind "its registration".
        """
        if not isinstance(schema, Mapping):
            raise FilterError('has a "filter" that is no JSON Schema: it has to be an object')
        if schema.get("$schema", _DIALECT) != _DIALECT:
            raise FilterError('has a "filter" of another dialect than JSON Schema 2020-12')
        self.schema = schema
        _Measure(schema).take(schema, 0, ())
        _ = self._validator

    @cached_property
    def _validator(self) -> "Draft202012Validator":
        import jsonschema_rs  # noqa: PLC0415 (whoever has no filter starts sooner without)

        # The standard engine never goes back in a text, so no pattern takes long; it knows no look-around.
        patterns = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES)
        try:
            return jsonschema_rs.Draft202012Validator(
                dict(self.schema), pattern_options=patterns, validate_formats=False, offline=True
            )
        except ValueError as error:
            where = "/".join(map(str, getattr(error, "instance_path", [])))
            raise FilterError(
                f'has a "filter" that is no JSON Schema 2020-12, or a pattern in it needs look-around, references to '
                f"groups, or too much room{f': see /{where}' if where else ''}"
            ) from error

    def passes(self, body: str) -> bool:
        """Tell whether an event, given as JSON text, satisfies the filter."""
        return self._validator.is_valid(_contract().read_exactly(body))

    def violations(self, body: str) -> "list[Violation]":
        """Return the rules of the filter that an event does not satisfy: where and which, never a value."""
        contract = _contract()
        errors = self._validator.iter_errors(contract.read_exactly(body))
        return sorted({contract.violation_of(error) for error in errors})


def _contract() -> Any:
    from mark_event_queue.domain import contract  # noqa: PLC0415 (it imports the library, too)

    return contract


class _Measure:
    """Counts what a schema comes to with its references followed."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions: Any = root.get("$defs", {})
        self._taken = 0

    def take(self, schema: Any, depth: int, following: tuple[str, ...]) -> None:
        """Count a schema and what is below it.

        Raises:
            FilterError: it is too large or too deep, refers in a circle, or uses a keyword that is refused.
        """
        self._taken += 1
        if self._taken > MOST_SUBSCHEMAS:
            raise FilterError(f'has a "filter" of more than {MOST_SUBSCHEMAS} subschemas, references followed')
        if depth > DEEPEST:
            raise FilterError(f'has a "filter" deeper than {DEEPEST} levels')
        if not isinstance(schema, Mapping):
            return
        if refused := sorted(_REFUSED & schema.keys()):
            raise FilterError(f'has a "filter" with the keyword {", ".join(refused)}, which filters may not use')
        if "$ref" in schema:
            self._follow(schema["$ref"], depth, following)
        for subschema in _below(schema):
            self.take(subschema, depth + 1, following)

    def _follow(self, reference: Any, depth: int, following: tuple[str, ...]) -> None:
        found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        name = found[1] if found else ""
        if not isinstance(self._definitions, Mapping) or name not in self._definitions:
            raise FilterError('has a "filter" with a $ref to something else than a #/$defs/<name> of its own')
        if name in following:
            raise FilterError('has a "filter" whose references lead in a circle')
        self.take(self._definitions[name], depth + 1, (*following, name))


def _below(schema: Mapping[str, Any]) -> Iterator[Any]:
    for keyword, value in schema.items():
        if keyword in _NAMED_SUBSCHEMAS and isinstance(value, Mapping):
            yield from value.values()
        elif keyword in _LISTED_SUBSCHEMAS and isinstance(value, list):
            yield from value
        elif keyword in _SUBSCHEMAS:
            yield value
