"""Contract tier, schemas: proves that the published schemas say what their examples say, to every validator.

Every example and counterexample, mutations of them and near-misses go through the contract that the functions
use (jsonschema-rs), python-jsonschema and ajv, the last two with and without `format` asserted. It cannot
prove that the producer keeps to the schemas; test_producer_events.py looks at what it is known to write.
"""

import copy
import json
import re
from calendar import isleap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.builders import COUNTEREXAMPLES, EVENT_NAMES, EXAMPLES, STATUSES, example
from tests.contract.reference import comparable, contract, contract_pairs, reference_pairs, schemas

EXAMPLE_FILES = sorted(EXAMPLES.glob("*Event/*.json"))
COUNTEREXAMPLE_LIST: list[dict[str, Any]] = json.loads(COUNTEREXAMPLES.read_text("utf-8"))

each_schema = pytest.mark.parametrize("name", sorted(schemas()))
each_example = pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
each_counterexample = pytest.mark.parametrize("case", COUNTEREXAMPLE_LIST, ids=lambda case: case["description"])


def _load(path: Path) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return event


@each_schema
def test_a_schema_is_one_of_2020_12(name):
    """Every file declares the dialect and is valid against its metaschema."""
    assert schemas()[name]["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schemas()[name])


@each_schema
def test_a_schema_says_what_it_is(name):
    """Every file has an id that ends in its name, a title and a description, for whoever reads only it."""
    schema = schemas()[name]

    assert schema["$id"].endswith(f"/v1/{name}")
    assert schema["title"]
    assert schema["description"]


def test_every_event_of_the_producer_is_published():
    """One file per event type, no more and no less."""
    assert contract().event_names == set(EVENT_NAMES)


def test_every_status_of_the_producer_is_published():
    """The statuses are those that a mark can have; null where the producer writes null for what it does not know."""
    assert schemas()["shared.json"]["$defs"]["status"]["enum"] == [*STATUSES, None]


def test_every_event_type_has_an_example():
    """Whoever writes a client finds each event written out."""
    assert {path.parent.name for path in EXAMPLE_FILES} == set(EVENT_NAMES)


@each_example
def test_an_example_is_valid(path, judge):
    """An example is of the type whose folder it is in, and breaks no rule, whoever judges."""
    assert _load(path)["eventName"] == path.parent.name
    assert judge(path.read_text("utf-8")) == set()


@each_counterexample
def test_a_counterexample_breaks_what_it_says_and_nothing_else(case):
    """The contract finds exactly the listed places and rules."""
    assert case["violations"]
    assert contract_pairs(json.dumps(case["data"])) == {tuple(pair) for pair in case["violations"]}


@each_counterexample
def test_a_counterexample_is_invalid_whoever_judges(case, judge):
    """Every validator finds the listed places and rules."""
    assert comparable(judge(json.dumps(case["data"]))) == comparable({tuple(pair) for pair in case["violations"]})


def test_every_rule_of_the_schemas_has_a_counterexample():
    """No keyword that can reject an event goes without an event that it rejects (const picks the schema instead)."""
    asserting = {"type", "enum", "required", "minimum", "minLength", "maxLength", "pattern", "not"}
    used = {keyword for schema in schemas().values() for keyword in _keywords(schema)}
    annotations = {"$schema", "$id", "$ref", "$defs", "title", "description", "format", "properties", "const"}

    assert used - annotations == asserting
    assert {rule for case in COUNTEREXAMPLE_LIST for _, rule in case["violations"]} == asserting


@pytest.mark.parametrize("body", ["[]", '"LockEvent"', "null", "7", '{"eventName":["LockEvent"]}', "{}"])
def test_what_is_no_event_at_all_is_judged_by_the_envelope(body, client):
    """JSON that names no published type breaks the rules of every event."""
    assert client(body) == contract_pairs(body) != set()


def _subschemas(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for member in schema for found in _subschemas(member)]
    return [schema, *_subschemas([*schema.values()])] if isinstance(schema, dict) else []


def test_a_pattern_stands_beside_every_format():
    """Few validators assert `format`, and no two alike: it annotates what the pattern decides."""
    formatted = [found for found in _subschemas([*schemas().values()]) if isinstance(found.get("format"), str)]

    assert formatted
    assert all("pattern" in found for found in formatted)


def test_patterns_need_nothing_that_an_engine_may_lack():
    """No look-around, no back-reference, no class by name: also engines without backtracking compile them."""
    patterns = [found["pattern"] for found in _subschemas([*schemas().values()]) if "pattern" in found]

    assert not [pattern for pattern in patterns if re.search(r"\(\?|\\[^nr]", pattern)]


def _keywords(schema: Any) -> set[str]:
    """Return the keywords of a schema and its subschemas, not the names of properties and definitions."""
    found = set(schema)
    for container in ("properties", "$defs"):
        for inner in schema.get(container, {}).values():
            found |= _keywords(inner)
    return found


# What takes the place of a value.
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 1, 1.0, 1.5, 0.0, -0.0, 1e300]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(
        [
            "",
            "MARK_ASSIGNED",
            "mark_assigned",
            "2026-03-01T09:30:00Z",
            "2026-03-01T09:30:00.025Z",
            "2026-03-01T09:30:00.123456789Z",
            "2026-03-01T09:30:00Z\n",
            "2026-03-01T09:30:00.Z",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "2026-03-01T09:30:00+00:00",
            "2026-03-01t09:30:00z",
            "2026-02-29T09:30:00Z",
            "2024-02-29T09:30:00Z",
            "2026-13-01T09:30:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:60:00Z",
            "2026-03-01 09:30:00Z",
            "2026-03-01",
            "9222482e-399b-5d2d-be2b-5836b7332ec2",
            "9222482E-399B-5D2D-BE2B-5836B7332EC2",
            "9222482e399b5d2dbe2b5836b7332ec2",
            "{9222482e-399b-5d2d-be2b-5836b7332ec2}",
            "9222482e-399b-5d2d-be2b-5836b7332ec",
            "00000000-0000-0000-0000-000000000000",
        ]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mark", "Status", "price", "version", "address", "postcode", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
_ORIGINALS = [_load(path) for path in EXAMPLE_FILES] + [
    case["data"] for case in COUNTEREXAMPLE_LIST if case["data"].get("eventName") in EVENT_NAMES
]


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return every object in an event, itself included."""
    if not isinstance(value, dict):
        return []
    return [value, *(inner for member in value.values() for inner in _objects(member))]


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """Return an event of which members were dropped, replaced and added, at any depth."""
    event = copy.deepcopy(draw(st.sampled_from(_ORIGINALS), label="original"))
    for _ in range(draw(st.integers(1, 4), label="mutations")):
        target = draw(st.sampled_from(_objects(event)), label="object")
        name = draw(st.sampled_from([*target, "unknown"]), label="member")
        if draw(st.booleans(), label="drop"):
            target.pop(name, None)
        else:
            target[name] = draw(_VALUES, label="value")
    event["eventName"] = draw(st.sampled_from(EVENT_NAMES), label="type")
    return json.dumps(event)


def _with(place: str, value: Any) -> str:
    """Return an event with a value at a place, as JSON text."""
    event = example()
    *steps, name = place.split("/")[1:]
    target = event
    for step in steps:
        target = target[step]
    target[name] = value
    return json.dumps(event)


@st.composite
def _near_misses(draw: st.DrawFn) -> str:
    """Return an event in whose id or instants one character is another, too many or missing."""
    place, text = draw(
        st.sampled_from(
            [
                ("/eventId", "9222482e-399b-5d2d-be2b-5836b7332ec2"),
                ("/createTime", "2026-03-01T09:30:00Z"),
                ("/RegistrationNumber/lockTime", "2024-02-29T23:59:59.999999999Z"),
                ("/RegistrationNumber/entitlement/expiryTime", "0001-01-01T00:00:00.000Z"),
            ]
        )
    )
    position = draw(st.integers(0, len(text)))
    inserted = draw(st.sampled_from(["", *"0123456789-:+.TtZz_ag{ \n\r\t\x00\x85\u2028\u2029\ufeff\u0660\uff10"]))
    return _with(place, text[:position] + inserted + text[position + draw(st.integers(0, 1)) :])


@settings(max_examples=400, deadline=None)
@given(_mutated() | _near_misses())
def test_everybody_finds_the_same_whatever_is_done_to_an_event(both_clients, body):
    """Verdict, places and rules agree."""
    expected = comparable(contract_pairs(body))
    assert [comparable(client(body)) for client in both_clients] == [expected] * 2


@st.composite
def _instants(draw: st.DrawFn) -> tuple[str, bool]:
    """Return something that looks like an instant, and whether it is one of those that are promised."""
    date = [draw(st.integers(0, 9999)), draw(st.integers(0, 13)), draw(st.integers(0, 32))]
    time = [draw(st.integers(0, 25)), draw(st.integers(0, 61)), draw(st.integers(0, 61))]
    fraction = draw(st.text("0123456789", max_size=13))
    end = draw(st.sampled_from(["Z", "Z", "Z", "", "z", "+00:00", "Z\n", "Z\r\n", "Z\u2028"]))
    try:
        promised = bool(datetime(*date, *time, tzinfo=UTC)) and len(fraction) in (0, 3, 6, 9) and end == "Z"  # type: ignore[misc, arg-type]
    except ValueError:
        promised = False
    year, *rest = date
    day = "-".join([f"{year:04}", *(f"{number:02}" for number in rest)])
    return f"{day}T{':'.join(f'{number:02}' for number in time)}{fraction and '.' + fraction}{end}", promised


@settings(max_examples=300, deadline=None)
@given(_instants())
def test_an_instant_is_a_moment_of_the_calendar(both_clients, instant):
    """A day and a time that there are, 0, 3, 6 or 9 fraction digits, UTC; nothing else."""
    text, promised = instant

    body = _with("/createTime", text)
    assert [not judge(body) for judge in (contract_pairs, *both_clients)] == [promised] * 3


def test_leap_years_are_those_of_the_calendar():
    """Every year of four digits has the 29th of February when it is due; the year nought is none."""
    body = _with("/createTime", "YYYY-02-29T00:00:00Z")

    years = [year for year in range(10_000) if not contract_pairs(body.replace("YYYY", f"{year:04}"))]

    assert years == [year for year in range(1, 10_000) if isleap(year)]


_TYPE, _MINIMUM = ("/RegistrationNumber/version", "type"), ("/RegistrationNumber/version", "minimum")
_PRICE = ("/RegistrationNumber/price", "minimum")


def _with_number(name: str, text: str) -> str:
    """Return an event with a number as it is written."""
    return _with(f"/RegistrationNumber/{name}", "here").replace('"here"', text)


@pytest.mark.parametrize(
    ("name", "text", "broken"),
    [
        ("version", "0.99999999999999999999999", {_TYPE, _MINIMUM}),
        ("version", "1.00000000000000000000000000000000000001", {_TYPE}),
        ("version", "100000000000000000000.5", {_TYPE}),
        ("version", "9007199254740993.1", {_TYPE}),
        ("version", "1E-130", {_TYPE, _MINIMUM}),
        ("version", "-99999999999999999999999999999999999999", {_MINIMUM}),
        ("version", "1.0", set()),
        ("version", "1E+10", set()),
        ("version", "1E+125", set()),
        ("version", "99999999999999999999999999999999999999", set()),
        ("version", "10000000000000000000000000000000000000.0", set()),
        ("price", "-1e-400", {_PRICE}),
        ("price", "-1E-130", {_PRICE}),
        ("price", "-0.00000000000000000000000000000000000001", {_PRICE}),
        ("price", "-0.0", set()),
        ("price", "1e-400", set()),
        ("price", "1E-130", set()),
        ("price", "0.00000000000000000000000000000000000001", set()),
        ("price", "9.9999999999999999999999999999999999999E+125", set()),
    ],
)
def test_numbers_are_judged_as_they_are_written(name, text, broken):
    """Digits that a double would round away decide like others, here and for a client that reads them."""
    body = _with_number(name, text)

    assert contract_pairs(body) == broken
    assert reference_pairs(body) == broken


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(-130, 88))
def test_any_number_of_the_table_is_judged_exactly(digits, exponent):
    """38 digits wherever the point is: a version is an integer from 1 on, a price is not below nothing."""
    number = Decimal(f"{digits}E{exponent}")

    assert (_TYPE in contract_pairs(_with_number("version", str(number)))) == (number != number.to_integral_value())
    assert (_MINIMUM in contract_pairs(_with_number("version", str(number)))) == (number < 1)
    assert (_PRICE in contract_pairs(_with_number("price", str(number)))) == (number < 0)


@pytest.mark.parametrize("text", ["0.99999999999999999999999", "100000000000000000000.5", "1.5", "2E+3"])
def test_ajv_judges_the_number_that_javascript_reads(ajv, text):
    """JSON.parse rounds to a double before ajv sees the number: the verdict is that on the rounded one."""
    rounded = json.dumps(json.loads(_with_number("version", text)))

    assert ajv.judge(_with_number("version", text)) == contract_pairs(rounded)
