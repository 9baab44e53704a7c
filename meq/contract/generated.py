"""Generated events: what the old schema allows and the new one rejects, and the other way round.

Hypothesis draws values for each place of a schema, always the same ones. They are put one at a time into a full and a
minimal event, so that a change of a single place shows, and all together into whole events. Which of the events a
schema allows, a validator says, not what made them: so it does not matter that some are made in vain.
"""

import re
import string
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import count, islice
from math import ceil, floor
from typing import Any, NamedTuple
from zlib import crc32

import jsonschema_rs
from hypothesis import HealthCheck, Phase, Verbosity, configuration, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from mark_event_queue.domain.contract import read_exactly
from meq.contract.places import OPAQUE, Number, Place, below, canonical
from meq.contract.published import Schemas
from meq.errors import OperatorError
from meq.text import safe

_DRAWN = 40
_WHOLE_EVENTS = 150
_LONGEST = 2_000
"""Texts and arrays are made no longer than this, whatever a schema allows."""

_TINY = Decimal("1E-30")
_EXACT = Context(prec=200)
_ANY: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, Decimal("0.5"), Decimal("-0.5"), 10**30, "", "text", "\n"),
    *([], ["text"], [1, 1], {}, {"text": 1}),
)
# Letters of one to four bytes, and what ends a line somewhere. Named one by one, they need no table of Unicode.
_LETTERS = string.printable + "\x00\x7f\x85\u2028\u2029äÉßñ\u0660\uff10漢😀"


class Rejection(NamedTuple):
    """Where an event is rejected (a JSON Pointer, `*` for any item of an array), and by which keyword."""

    path: str
    rule: str


class Judge:
    """The schemas of one version, compiled, by which events are allowed or rejected."""

    def __init__(self, schemas: Schemas, name: str) -> None:
        """Take the schemas by file name, and how to call them in an error."""
        self._schemas, self._name = schemas, name
        pairs = [(schema["$id"], schema) for schema in schemas.values()]
        try:
            self._registry = jsonschema_rs.Registry(pairs)
        except ValueError as error:
            raise OperatorError(f"{name}: the schemas do not belong together: {_first_line(error)}") from error

    def of(self, file: str) -> jsonschema_rs.Draft202012Validator:
        """Return the validator of the schema in a file, which does not assert `format`, as at the gate.

        Raises:
            OperatorError: it is no schema of 2020-12.
        """
        try:
            return jsonschema_rs.Draft202012Validator(
                self._schemas[file], registry=self._registry, validate_formats=False, offline=True
            )
        except ValueError as error:
            raise OperatorError(f"{self._name}/{file} is no schema of 2020-12: {_first_line(error)}") from error


class Side(NamedTuple):
    """A schema, as what it says of each place, and as what judges."""

    place: Place
    validator: jsonschema_rs.Draft202012Validator


class Seen(NamedTuple):
    """How many events the one side allows, and how the other rejects some of them."""

    events: int
    rejections: frozenset[frozenset[Rejection]]
    """Of each rejected event all that speaks against it; the same of many events once."""


def rejected(allowing: Side, judging: Side, *, free: bool) -> Seen:
    """Return how one side rejects events that the other allows.

    Properties that neither knows are among them. With `free` so are those that only the judging side knows, with any
    value: the allowing side does not look at them.
    """
    events = list(_events(allowing, judging.place, free))
    rejections = (
        frozenset(map(_rejection, judging.validator.iter_errors(event)))
        for event in events
        if not judging.validator.is_valid(event)
    )
    return Seen(len(events), frozenset(rejections))


def _rejection(error: jsonschema_rs.ValidationError) -> Rejection:
    path = ""
    for step in error.instance_path:
        path = below(path, step if isinstance(step, str) else "*")
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        path = below(path, error.kind.property)
    return Rejection(path, error.kind.name)


_Steps = tuple[str | int, ...]


def _events(allowing: Side, judging: Place, free: bool) -> Iterator[Any]:
    """Yield events that a side allows, made to come near to what the other one says."""
    allowed = allowing.validator.is_valid
    judged = {place.path: place for place in judging.walk()}
    fit = {place.path: _fit(place) for place in allowing.place.walk()}
    whole = [event for number in range(_WHOLE_EVENTS) if allowed(event := _whole(allowing.place, number, fit))]
    yield from whole
    for base, places in _bases(allowing.place, whole):
        for steps, place in places:
            other = judged.get(place.path)
            variants = [_with(base, steps, value) for value in _probes(place, other)]
            if _is_there(base, steps):
                variants += _further(base, steps, place, other, free)
            yield from filter(allowed, variants)


def _further(base: Any, steps: _Steps, place: Place, other: Place | None, free: bool) -> Iterator[Any]:
    """Yield an event without a place, and with more properties in it."""
    if steps and isinstance(steps[-1], str):
        yield _without(base, steps)
    inner = _at(base, steps)
    if isinstance(inner, dict):
        yield from (_with(base, (*steps, name), value) for name, value in _added(place, other, free))
        yield from (_with(base, steps, inner | more) for more in _crowds(place, other))


def _whole(place: Place, number: int, fit: Mapping[str, Sequence[Any]]) -> Any:
    """Return one of the whole events: the first is full, the second minimal, of the others each has other parts."""
    if place.values is None and "object" in place.types and (place.properties or place.required):
        kept = [name for name, one in place.properties.items() if name in place.required or _chosen(one, number)]
        known = {name: _whole(place.properties[name], number, fit) for name in kept}
        return dict.fromkeys(sorted(place.required - known.keys()), "text") | known
    if place.values is None and "array" in place.types and place.items:
        size = min(max(1, int(place.limits.get("minItems", 1))), _LONGEST)
        return [_whole(place.items, number + step, fit) for step in range(size)]
    values = fit[place.path] or _ANY
    return values[(number + crc32(place.path.encode())) % len(values)]


def _chosen(place: Place, number: int) -> bool:
    return number == 0 or (number > 1 and crc32(f"{number}{place.path}".encode()) % 2 == 1)


def _bases(root: Place, events: Sequence[Any]) -> Iterator[tuple[Any, Sequence[tuple[_Steps, Place]]]]:
    """Yield events in which single places are to vary: each place once, and what the smallest event has room for."""
    places = list(_with_steps(root, ()))
    sizes = [(sum(_is_there(event, steps) for steps, _ in places), event) for event in events]
    left = places
    for _, event in sorted(sizes, key=lambda pair: -pair[0]):
        here = [pair for pair in left if _is_there(event, pair[0])]
        if here:
            yield event, here
            left = [pair for pair in left if pair not in here]
    if sizes:
        _, smallest = min(sizes, key=lambda pair: pair[0])
        yield smallest, [pair for pair in places if _has_room(smallest, pair[0])]


def _with_steps(place: Place, steps: _Steps) -> Iterator[tuple[_Steps, Place]]:
    yield steps, place
    for name, one in place.properties.items():
        yield from _with_steps(one, (*steps, name))
    if place.items:
        yield from _with_steps(place.items, (*steps, 0))


def _added(place: Place, other: Place | None, free: bool) -> Iterator[tuple[str, Any]]:
    """Yield properties that an object of a place does not have yet: their names, and values for them."""
    (unknown,) = _unpublished(place, other, 1)
    yield from ((unknown, value) for value in _ANY)
    theirs = other.properties if other and free else {}
    for name in sorted(theirs.keys() - place.properties.keys()):
        yield from ((name, value) for value in (*_ANY, *_probes(theirs[name], None)))


def _crowds(place: Place, other: Place | None) -> Iterator[dict[str, str]]:
    """Yield as many further properties as a limit on their number has to do with."""
    for one in (place, other):
        for name in ("minProperties", "maxProperties"):
            if one and name in one.limits:
                yield dict.fromkeys(_unpublished(place, other, min(int(one.limits[name]), _LONGEST) + 1), "text")


def _unpublished(place: Place, other: Place | None, size: int) -> list[str]:
    """Return names of properties that nobody has published."""
    known = {
        *place.properties,
        *place.required,
        *(other.properties if other else ()),
        *(other.required if other else ()),
    }
    names = (f"notPublished{number}" for number in count(1))
    return list(islice((name for name in names if name not in known), size))


def _probes(place: Place, other: Place | None) -> list[Any]:
    """Return values for a place: fit ones, those at the limits of both sides, and some of every type."""
    sides = [place, *([other] if other else [])]
    values = [value for side in sides for value in (*_fit(side), *_at_limits(side), *_literals(side))] + [*_ANY]
    return list({(type(value), canonical(value)): value for value in values}.values())


def _fit(place: Place) -> Sequence[Any]:
    """Return values that a place allows, as far as it can be looked into."""
    if place.values is not None:
        return list(place.values.values())
    patterns = (read_exactly(text) for text in sorted(place.others.get("pattern", ())))
    multiples = (read_exactly(text) for text in sorted(place.others.get("multipleOf", ())))
    drawn = _drawn(place.types, tuple(sorted(place.limits.items())), tuple(patterns), tuple(multiples))
    return (*drawn, *_literals(place))


def _at_limits(place: Place) -> Iterator[Any]:
    for name, limit in sorted(place.limits.items()):
        if name.endswith(("Length", "Items")):
            sizes = [size for size in (int(limit) - 1, int(limit), int(limit) + 1) if 0 <= size <= _LONGEST]
            yield from ("x" * size if name.endswith("Length") else ["text"] * size for size in sizes)
        elif not name.endswith("Properties"):
            yield from (limit, *(_EXACT.add(Decimal(limit), step) for step in (1, -1, _TINY, -_TINY)))
    for text in sorted(place.others.get("multipleOf", ())):
        yield from (_EXACT.multiply(Decimal(read_exactly(text)), factor) for factor in (1, Decimal("0.5")))


def _literals(place: Place) -> list[Any]:
    """Return the values that stand in what cannot be looked into."""
    opaque = sorted(text for rule in OPAQUE & place.others.keys() for text in place.others[rule])
    return [value for text in opaque for value in _named(read_exactly(text))]


def _named(schema: Any) -> Iterator[Any]:
    if isinstance(schema, list):
        for one in schema:
            yield from _named(one)
    elif isinstance(schema, dict):
        yield from schema["enum"] if isinstance(schema.get("enum"), list) else ()
        yield from [schema["const"]] if "const" in schema else ()
        if isinstance(schema.get("pattern"), str):
            yield from _drawn(frozenset({"string"}), (), (schema["pattern"],), ())[:5]
        for one in schema.values():
            yield from _named(one)


@lru_cache(maxsize=1_000)
def _drawn(
    types: frozenset[str], limits: tuple[tuple[str, Number], ...], patterns: tuple[str, ...], multiples: tuple[Any, ...]
) -> tuple[Any, ...]:
    """Return values of a kind: the same ones each time."""
    of = dict(limits)
    (shortest, longest), (fewest, most) = _sizes(of, "Length"), _sizes(of, "Items")
    makers: dict[str, Callable[[], list[st.SearchStrategy[Any]]]] = {
        "boolean": lambda: [st.booleans()],
        "integer": lambda: [_multiples(of, Decimal(one)) for one in multiples or (1,)],
        "fraction": lambda: [] if multiples else [_multiples(of, Decimal("0.001"))],
        "string": lambda: (
            [_matching(one) for one in patterns] or [st.text(_LETTERS, min_size=shortest, max_size=longest)]
        ),
        "array": lambda: [st.lists(st.sampled_from(_ANY), min_size=fewest, max_size=most)],
        "object": lambda: [st.just({f"text{number}": "text" for number in range(_sizes(of, "Properties")[0])})],
    }
    drawn = [value for name in sorted(types & makers.keys()) for one in makers[name]() for value in _draw(one)]
    return tuple(drawn) if drawn or "null" not in types else (None,)


def _draw(strategy: st.SearchStrategy[Any]) -> list[Any]:
    """Return what Hypothesis draws: the same each time, and nothing where the strategy cannot be met."""
    drawn: list[Any] = []

    @settings(
        max_examples=_DRAWN,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(strategy)
    def take(value: Any) -> None:
        drawn.append(value)

    try:
        take()
    except (HypothesisException, re.error):  # no value fits, or Python cannot read the pattern
        return []
    return drawn


def _matching(pattern: str) -> st.SearchStrategy[str]:
    return st.one_of([st.from_regex(pattern, fullmatch=whole, alphabet=_LETTERS) for whole in (True, False)])


def _multiples(limits: Mapping[str, Number], of: Decimal) -> st.SearchStrategy[Any]:
    """Return the multiples of a number that are inside the limits of a place."""
    lowest = [Fraction(limits[name]) for name in ("minimum", "exclusiveMinimum") if name in limits]
    highest = [Fraction(limits[name]) for name in ("maximum", "exclusiveMaximum") if name in limits]
    first = ceil(max(lowest) / Fraction(of)) if lowest else None
    last = floor(min(highest) / Fraction(of)) if highest else None
    if first is not None and last is not None and first > last:
        return st.nothing()
    return st.integers(first, last).map(lambda number: number if of == 1 else _EXACT.multiply(Decimal(number), of))


def _sizes(limits: Mapping[str, Number], of: str) -> tuple[int, int]:
    smallest = min(int(limits.get(f"min{of}", 0)), _LONGEST)
    return smallest, max(smallest, min(int(limits.get(f"max{of}", _LONGEST)), smallest + 10))


def _is_there(event: Any, steps: _Steps) -> bool:
    try:
        _at(event, steps)
    except (KeyError, IndexError, TypeError):
        return False
    return True


def _has_room(event: Any, steps: _Steps) -> bool:
    """Tell whether something can be put at a place, whether or not something is there."""
    return _is_there(event, steps) or (
        isinstance(steps[-1], str) and _is_there(event, steps[:-1]) and isinstance(_at(event, steps[:-1]), dict)
    )


def _at(event: Any, steps: _Steps) -> Any:
    for step in steps:
        if isinstance(event, str):  # of which a number would be a letter
            raise KeyError(step)
        event = event[step]
    return event


def _with(event: Any, steps: _Steps, value: Any) -> Any:
    """Return a copy of an event with a value at a place."""
    if not steps:
        return value
    first, *rest = steps
    inner = _with(event[first], tuple(rest), value) if rest else value
    if isinstance(event, list):
        return [inner if number == first else one for number, one in enumerate(event)]
    return {**event, first: inner}


def _without(event: Any, steps: _Steps) -> Any:
    """Return a copy of an event without a property."""
    owner = {name: value for name, value in _at(event, steps[:-1]).items() if name != steps[-1]}
    return _with(event, steps[:-1], owner)


def _first_line(error: Exception) -> str:
    return safe(str(error).splitlines()[0])


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Keep what Hypothesis notes down for itself out of the folder in which the command runs."""
    with tempfile.TemporaryDirectory() as scratch:
        configuration.set_hypothesis_home_dir(scratch)
        try:
            yield
        finally:
            configuration.set_hypothesis_home_dir(None)
