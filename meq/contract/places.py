"""What a schema says of each place of an event: its references followed, and what applies side by side put together.

A place is compared, and events are made for it, without a look at how the schema is written. What cannot be looked
into (`not`, `anyOf`, `if`, …) is kept as one piece of JSON in which the references are followed.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import reduce
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote, urldefrag, urljoin

from meq.contract.published import Schemas
from meq.errors import OperatorError
from meq.text import safe

ANY_TYPE = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
"""The types of JSON, numbers told apart by whether they are whole: so `integer` is a part of `number`."""

NUMBERS = frozenset({"integer", "fraction"})

Number = int | Decimal

_Thing = TypeVar("_Thing")

# A higher one of these leaves less room, a lower one of those.
_AT_LEAST = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_AT_MOST = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}

_SAYING = {"title", "description", "$comment", "examples"}
_NOT_JUDGING = _SAYING | {"$schema", "$id", "$defs", "default", "deprecated", "readOnly", "writeOnly"}
_CANNOT_FOLLOW = ("$dynamicRef", "$dynamicAnchor", "$anchor", "$recursiveRef", "$recursiveAnchor")

_ONE_SCHEMA = {
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contentSchema",
}
_SCHEMAS_IN_A_ROW = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SCHEMAS_BY_NAME = {"properties", "patternProperties", "dependentSchemas", "$defs"}
_ORDERLESS = {"type", "enum", "required"}

_TEXTS = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding", "contentMediaType")
# Each with the keywords that only mean something beside it.
_WHOLE = {
    "not": (),
    "anyOf": (),
    "oneOf": (),
    "if": ("then", "else"),
    "contains": ("minContains", "maxContains"),
    "patternProperties": (),
    "propertyNames": (),
    "dependentRequired": (),
    "dependentSchemas": (),
    "unevaluatedItems": (),
    "unevaluatedProperties": (),
    "contentSchema": (),
}
OPAQUE = frozenset({*_WHOLE, "additionalProperties", "items"})
"""Keywords that are compared as a whole; what they judge is at their place or anywhere below it."""

_NO_RULE = {"uniqueItems": ("false",), "additionalProperties": ("true", "{}"), "patternProperties": ("{}",)}


@dataclass(frozen=True)
class Place:
    """All that a schema demands of one place: of the value itself, and of the places below it."""

    path: str
    """A JSON Pointer; `*` stands for every item of an array."""
    types: frozenset[str] = ANY_TYPE
    values: Mapping[str, Any] | None = None
    """The values of `enum` and `const` that are left, by their canonical text; None where any is."""
    values_by: str = "enum"
    limits: Mapping[str, Number] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    others: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Every other keyword that judges, with all that it demands, as canonical texts."""
    properties: Mapping[str, "Place"] = field(default_factory=dict)
    items: "Place | None" = None

    @property
    def types_left(self) -> frozenset[str]:
        """The types that a value can have, the listed values considered."""
        return self.types if self.values is None else self.types & {type_of(one) for one in self.values.values()}

    def walk(self) -> Iterator["Place"]:
        """Yield the place and all below it."""
        yield self
        for below in (*self.properties.values(), *([self.items] if self.items else [])):
            yield from below.walk()


def type_of(value: Any) -> str:
    """Return the type of a JSON value, one of `ANY_TYPE`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | Decimal):
        return "integer" if value == int(value) else "fraction"
    return {type(None): "null", str: "string", list: "array", dict: "object"}[type(value)]


def canonical(value: Any) -> str:
    """Return JSON that is the same text for all values that are equal; numbers count with all their digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{canonical(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _digits(value)
    return json.dumps(value)


def _digits(number: Number) -> str:
    sign, digits, exponent = Decimal(number).as_tuple()
    text = "".join(map(str, digits))
    shortest = text.strip("0")
    zeros = int(exponent) + len(text) - len(text.rstrip("0"))
    return f"{'-' * sign}{shortest}{f'E{zeros}' * bool(zeros)}" if shortest else "0"


def without_words(schema: Any) -> Any:
    """Return a schema without what only people read: titles, descriptions, comments and examples."""
    if not isinstance(schema, dict):
        return schema
    return _mapped({name: value for name, value in schema.items() if name not in _SAYING}, without_words)


def _mapped(schema: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a schema with each schema right inside it changed."""
    changed = dict(schema)
    for keyword, value in schema.items():
        if keyword in _ONE_SCHEMA:
            changed[keyword] = change(value)
        elif keyword in _SCHEMAS_IN_A_ROW and isinstance(value, list):
            changed[keyword] = [change(one) for one in value]
        elif keyword in _SCHEMAS_BY_NAME and isinstance(value, dict):
            changed[keyword] = {name: change(one) for name, one in value.items()}
    return changed


class _Here(NamedTuple):
    """Where in the schemas we are: the file that references start from, and the references that led here."""

    base: str
    chain: tuple[str, ...]


class Documents:
    """The schemas of one version, with their references."""

    def __init__(self, schemas: Schemas, name: str) -> None:
        """Take the schemas by file name, and how to call them in an error."""
        self._schemas, self._name = schemas, name
        self._by_id = {schema["$id"]: schema for schema in schemas.values()}

    def place(self, file: str) -> Place:
        """Return what the schema in a file says of an event: the place of the whole event, with all below it.

        Raises:
            OperatorError: it refers to what is not there, or to itself.
        """
        schema = self._schemas[file]
        return self._place(schema, "", _Here(schema["$id"], ()))

    def whole(self, file: str) -> str:
        """Return the schema in a file as a canonical text without references: the same text judges the same."""
        schema = self._schemas[file]
        return canonical(self._followed(schema, _Here(schema["$id"], ())))

    def _place(self, schema: Any, path: str, here: _Here) -> Place:
        if not isinstance(schema, dict):
            return Place(path, ANY_TYPE if schema else frozenset())
        self._demand_plain(schema, here)
        properties = schema.get("properties", {})
        items = schema.get("items", True) if "prefixItems" not in schema else True
        place = Place(
            path,
            types=_types(schema),
            limits={name: schema[name] for name in _limits_in(schema)},
            required=frozenset(schema.get("required", ())),
            others=self._others(schema, here),
            properties={name: self._place(one, below(path, name), here) for name, one in properties.items()},
            items=None if items in (True, {}) else self._place(items, below(path, "*"), here),
        )
        for keyword in ("enum", "const"):
            if keyword in schema:
                values = schema[keyword] if keyword == "enum" else [schema[keyword]]
                listed = Place(path, values={canonical(one): one for one in values}, values_by=keyword)
                place = _both(place, listed)
        beside = [self._place(part, path, here) for part in schema.get("allOf", ())]
        if "$ref" in schema:
            target, there = self._target(schema["$ref"], here)
            beside.append(self._place(target, path, there))
        return reduce(_both, beside, place)

    def _others(self, schema: Mapping[str, Any], here: _Here) -> dict[str, frozenset[str]]:
        followed = self._followed({name: value for name, value in schema.items() if name != "$ref"}, here)
        found = {name: canonical(followed[name]) for name in _TEXTS if name in followed}
        for name, partners in _WHOLE.items():
            if name in followed:
                whole = {one: followed[one] for one in partners if one in followed}
                found[name] = canonical({name: followed[name], **whole} if whole else followed[name])
        if "prefixItems" in followed:
            found["items"] = canonical([followed["prefixItems"], followed.get("items", True)])
        found = {name: text for name, text in found.items() if text not in _NO_RULE.get(name, ())}
        closed = followed.get("additionalProperties", True)
        if canonical(closed) not in _NO_RULE["additionalProperties"]:
            # What it judges hangs on the names beside it, and only on those.
            beside = [sorted(followed.get(name, ())) for name in ("properties", "patternProperties")]
            found["additionalProperties"] = canonical([closed, *beside])
        return {name: frozenset([text]) for name, text in found.items()}

    def _followed(self, schema: Any, here: _Here) -> Any:
        """Return a schema with what it refers to in the place of its references, and without what does not judge."""
        if not isinstance(schema, dict):
            return schema
        self._demand_plain(schema, here)
        kept = {
            name: sorted(value, key=canonical) if name in _ORDERLESS and isinstance(value, list) else value
            for name, value in schema.items()
            if name not in _NOT_JUDGING and name != "$ref"
        }
        followed = _mapped(kept, lambda one: self._followed(one, here))
        if "$ref" not in schema:
            return followed
        target, there = self._target(schema["$ref"], here)
        inner = self._followed(target, there)
        return {**followed, "allOf": [*followed.get("allOf", ()), inner]} if followed else inner

    def _target(self, reference: str, here: _Here) -> tuple[Any, _Here]:
        address = urljoin(here.base, reference)
        if address in here.chain:
            raise OperatorError(
                f"{self._name}: {safe(address)} refers to itself. "
                "Such a schema cannot be compared: write out as many levels as there are."
            )
        file, pointer = urldefrag(address)
        target = self._by_id.get(file)
        try:
            for step in unquote(pointer).split("/")[1:]:
                name = step.replace("~1", "/").replace("~0", "~")
                target = target[int(name)] if isinstance(target, list) else target[name]  # type: ignore[index]
        except (KeyError, IndexError, TypeError, ValueError):
            target = None
        if not isinstance(target, dict | bool) or (pointer and not pointer.startswith("/")):
            raise OperatorError(f"{self._name} refers to {safe(address)}, which is not there.")
        return target, _Here(file, (*here.chain, address))

    def _demand_plain(self, schema: Mapping[str, Any], here: _Here) -> None:
        found = [name for name in _CANNOT_FOLLOW if name in schema]
        if "$id" in schema and schema["$id"] != here.base:
            found.append("$id inside a schema")
        if found:
            raise OperatorError(
                f"{self._name}: {safe(here.base)} has {found[0]}, which the check cannot follow. "
                "Refer to a file beside it, or to a part of it below $defs."
            )


def below(path: str, name: str) -> str:
    """Return the JSON Pointer (RFC 6901) of a property of a place."""
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    if "type" not in schema:
        return ANY_TYPE
    named = schema["type"]
    names = {named} if isinstance(named, str) else set(named)
    return frozenset(names | NUMBERS if "number" in names else names) & ANY_TYPE


def _limits_in(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the limits of a schema that can be passed: no size is below nought."""
    for name in sorted(_AT_LEAST | _AT_MOST):
        if name in schema and not (name.startswith("min") and name != "minimum" and schema[name] <= 0):
            yield name


def _both(one: Place, two: Place) -> Place:
    """Return what is demanded of a place of which two schemas speak."""
    return replace(
        one,
        types=one.types & two.types,
        values=_in_both(one.values, two.values),
        values_by="const" if "const" in {one.values_by, two.values_by} else "enum",
        limits=_by_name(one.limits, two.limits, _stricter),
        required=one.required | two.required,
        others=_by_name(one.others, two.others, lambda _, these, those: these | those),
        properties=_by_name(one.properties, two.properties, lambda _, these, those: _both(these, those)),
        items=_both(one.items, two.items) if one.items and two.items else one.items or two.items,
    )


def _stricter(name: str, one: Number, two: Number) -> Number:
    return max(one, two) if name in _AT_LEAST else min(one, two)


def _in_both(one: Mapping[str, Any] | None, two: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if one is None or two is None:
        return two if one is None else one
    return {text: value for text, value in one.items() if text in two}


def _by_name(
    one: Mapping[str, _Thing], two: Mapping[str, _Thing], merge: Callable[[str, _Thing, _Thing], _Thing]
) -> dict[str, _Thing]:
    shared = {name: merge(name, one[name], two[name]) for name in one.keys() & two.keys()}
    return {name: shared.get(name, value) for name, value in {**one, **two}.items()}
