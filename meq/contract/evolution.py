"""The rules of evolution: what a change of a schema means for events and consumers of a published version."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from meq.contract.places import NUMBERS, OPAQUE, Number, Place, below, type_of

TIGHTENED, LOOSENED, CHANGED = "tightened", "loosened", "changed"
PROPERTY_REMOVED = "property removed"
EVENT_TYPE_REMOVED, NOTICE_REMOVED = "event type removed", "notice removed"


class Difference(NamedTuple):
    """A breaking change: where, by which rule (a keyword, or what was removed), and what it does.

    `tightened`: events that the published version allows would be rejected. `loosened`: consumers of the published
    version could not read what is allowed now. `changed`: one of the two, and which cannot be told.
    """

    path: str
    rule: str
    direction: str


_Bound = tuple[Number, bool]

# The keywords that are one bound together, what makes a higher number tighter, and the types that it is for.
_BOUNDS: tuple[tuple[tuple[str, ...], int, frozenset[str]], ...] = (
    (("minimum", "exclusiveMinimum"), 1, NUMBERS),
    (("maximum", "exclusiveMaximum"), -1, NUMBERS),
    (("minLength",), 1, frozenset({"string"})),
    (("maxLength",), -1, frozenset({"string"})),
    (("minItems",), 1, frozenset({"array"})),
    (("maxItems",), -1, frozenset({"array"})),
    (("minProperties",), 1, frozenset({"object"})),
    (("maxProperties",), -1, frozenset({"object"})),
)
_FOR_TYPES = {
    "multipleOf": NUMBERS,
    **dict.fromkeys(("pattern", "contentEncoding", "contentMediaType", "contentSchema"), frozenset({"string"})),
    **dict.fromkeys(("items", "contains", "uniqueItems", "unevaluatedItems"), frozenset({"array"})),
    **dict.fromkeys(
        (
            "additionalProperties",
            "dependentRequired",
            "dependentSchemas",
            "patternProperties",
            "propertyNames",
            "unevaluatedProperties",
        ),
        frozenset({"object"}),
    ),
}


def differences(old: Place, new: Place) -> Iterator[Difference]:
    """Yield every breaking change from a published place to what it is now, and of all places below it.

    A property that only the new one knows is none: nobody could rely on it, and consumers pass over it.
    """
    yield from _both_ways(old.path, "type", bool(old.types_left - new.types), bool(new.types_left - old.types))
    yield from _of_values(old, new)
    shared = old.types_left & new.types_left
    for keywords, sign, types in _BOUNDS:
        if shared & types:
            yield from _of_bounds(old, new, keywords, sign)
    for rule in sorted(old.others.keys() | new.others.keys()):
        if shared & _FOR_TYPES.get(rule, shared):
            yield from _of_others(old, new, rule)
    if "array" in shared and old.items and new.items:
        yield from differences(old.items, new.items)
    elif "array" in shared:
        yield from _both_ways(old.path, "items", new.items is not None, old.items is not None)
    if "object" in shared:
        yield from _of_properties(old, new)


def covers(ruled: Difference, seen: Difference) -> bool:
    """Tell whether a difference that the rules found explains one that an event showed."""
    if ruled.direction not in (seen.direction, CHANGED):
        return False
    if (ruled.path, _family(ruled.rule)) == (seen.path, _family(seen.rule)):
        return True
    wide = ruled.rule in OPAQUE or ruled.rule in (PROPERTY_REMOVED, EVENT_TYPE_REMOVED, NOTICE_REMOVED)
    return wide and f"{seen.path}/".startswith(f"{ruled.path}/")


def instead(rule: str, direction: str) -> str:
    """Return what kind of change would be allowed instead of a breaking one."""
    return _INSTEAD.get((rule, direction)) or _INSTEAD.get((rule, "")) or _INSTEAD["", direction]


def _family(rule: str) -> str:
    return {"const": "enum", "falseSchema": "type"}.get(rule, rule)


def _both_ways(path: str, rule: str, tightened: bool, loosened: bool) -> Iterator[Difference]:
    if tightened:
        yield Difference(path, rule, TIGHTENED)
    if loosened:
        yield Difference(path, rule, LOOSENED)


def _of_values(old: Place, new: Place) -> Iterator[Difference]:
    """Yield what changed of the listed values; those that the type lets through no more are the type's to tell."""
    if _lacks(new, old):
        yield Difference(old.path, new.values_by, TIGHTENED)
    if _lacks(old, new):
        yield Difference(old.path, old.values_by, LOOSENED)


def _lacks(one: Place, other: Place) -> bool:
    """Tell whether a place lists values, but not all that the other one has."""
    if one.values is None:
        return False
    return other.values is None or any(
        text not in one.values and type_of(value) in one.types & other.types for text, value in other.values.items()
    )


def _of_bounds(old: Place, new: Place, keywords: tuple[str, ...], sign: int) -> Iterator[Difference]:
    (before, by_old), (after, by_new) = _bound(old.limits, keywords, sign), _bound(new.limits, keywords, sign)
    if after is not None and (before is None or after > before):
        yield Difference(old.path, by_new, TIGHTENED)
    elif before is not None and (after is None or before > after):
        yield Difference(old.path, by_old, LOOSENED)


def _bound(limits: Mapping[str, Number], keywords: tuple[str, ...], sign: int) -> tuple[_Bound | None, str]:
    """Return the tightest of the limits, so that a higher bound is a tighter one, and its keyword."""
    found = [((limits[name] * sign, name.startswith("exclusive")), name) for name in keywords if name in limits]
    return max(found, default=(None, keywords[0]))


def _of_others(old: Place, new: Place, rule: str) -> Iterator[Difference]:
    before, after = old.others.get(rule, frozenset()), new.others.get(rule, frozenset())
    if before - after and after - before:
        yield Difference(old.path, rule, CHANGED)
    elif before != after:
        yield Difference(old.path, rule, TIGHTENED if after - before else LOOSENED)
    elif rule == "unevaluatedProperties" and old.properties.keys() != new.properties.keys():
        yield Difference(old.path, rule, CHANGED)


def _of_properties(old: Place, new: Place) -> Iterator[Difference]:
    removed = old.properties.keys() - new.properties.keys()
    for name in sorted(removed):
        yield Difference(below(old.path, name), PROPERTY_REMOVED, LOOSENED)
    for name in sorted((old.required ^ new.required) - removed):
        yield Difference(below(old.path, name), "required", TIGHTENED if name in new.required else LOOSENED)
    for name in sorted(old.properties.keys() & new.properties.keys()):
        yield from differences(old.properties[name], new.properties[name])


_BESIDE = "what it does not allow goes into a new optional property beside it"

_INSTEAD: dict[tuple[str, str], str] = {
    (PROPERTY_REMOVED, ""): "Keep the property as it is, and describe it as no longer used; a new name is a new "
    "optional property beside it.",
    (EVENT_TYPE_REMOVED, ""): "Keep the event type: the producer may stop writing it.",
    (NOTICE_REMOVED, ""): "Keep the notice: it need not be sent any more.",
    ("required", TIGHTENED): "Leave it optional: the producer may write it into every event all the same.",
    ("required", LOOSENED): "Leave it required; what is not always known is a new optional property beside it.",
    ("type", TIGHTENED): "Keep every type that was allowed: the producer may write fewer.",
    ("type", LOOSENED): "Keep the type: a value of another type goes into a new optional property beside it.",
    ("enum", TIGHTENED): "Keep the values: the producer may stop writing one.",
    ("enum", LOOSENED): "Keep the values: a further one goes into a new optional property beside it.",
    ("const", ""): "Keep the value: another meaning is a new event type, or a new optional property.",
    ("pattern", ""): "Keep the pattern: texts of another form go into a new optional property beside it.",
    ("format", ""): "Keep the format, which a consumer's validator may assert; say more in the description.",
    ("additionalProperties", TIGHTENED): "Leave the object open: consumers pass over what they do not know.",
    ("additionalProperties", CHANGED): "Leave the closed object as it is: a new property goes beside it.",
    ("", TIGHTENED): "Keep what was allowed: the producer may stay inside narrower limits by itself.",
    ("", LOOSENED): f"Keep the rule: {_BESIDE}.",
    ("", CHANGED): f"Keep the rule as it is: {_BESIDE}.",
}
