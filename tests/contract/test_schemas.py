"""Contract tier, schemas: proves that the published schemas say what their examples say, to two validators.

Every example and counterexample, and mutations of them, go through python-jsonschema (the reference) and
through the contract that the functions use. It cannot prove that the producer keeps to the schemas;
test_producer_events.py looks at what the producer is known to write.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.builders import COUNTEREXAMPLES, EVENT_NAMES, EXAMPLES, STATUSES
from tests.contract.reference import contract, contract_pairs, reference_pairs, schemas, validators

EXAMPLE_FILES = sorted(EXAMPLES.glob("*/*.json"))
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
    """The statuses are those that a mark can have."""
    assert schemas()["shared.json"]["$defs"]["status"]["enum"] == list(STATUSES)


def test_every_event_type_has_an_example():
    """Whoever writes a client finds each event written out."""
    assert {path.parent.name for path in EXAMPLE_FILES} == set(EVENT_NAMES)


@each_example
def test_an_example_is_valid_to_both_validators(path):
    """An example is of the type whose folder it is in, and breaks no rule."""
    event = _load(path)

    assert event["eventName"] == path.parent.name
    assert reference_pairs(event) == set()
    assert contract_pairs(path.read_text("utf-8")) == set()


@each_counterexample
def test_a_counterexample_breaks_what_it_says_and_nothing_else(case):
    """The contract finds exactly the listed places and rules."""
    assert case["violations"]
    assert contract_pairs(json.dumps(case["data"])) == {tuple(pair) for pair in case["violations"]}


@each_counterexample
def test_a_counterexample_is_invalid_to_the_reference_as_well(case):
    """For a published type the reference finds the same pairs; of another type no schema accepts the event."""
    name = case["data"].get("eventName")

    if isinstance(name, str) and name in validators():
        assert reference_pairs(case["data"]) == {tuple(pair) for pair in case["violations"]}
    else:
        assert not [published for published, validator in validators().items() if validator.is_valid(case["data"])]


def test_every_rule_of_the_schemas_has_a_counterexample():
    """No keyword that can reject an event goes without an event that it rejects (const picks the schema instead)."""
    asserting = {"type", "enum", "required", "minimum", "minLength", "format", "pattern"}
    used = {keyword for schema in schemas().values() for keyword in _keywords(schema)}
    annotations = {"$schema", "$id", "$ref", "$defs", "title", "description", "properties", "const"}

    assert used - annotations == asserting
    assert {rule for case in COUNTEREXAMPLE_LIST for _, rule in case["violations"]} == asserting


@pytest.mark.parametrize("body", ["[]", '"LockEvent"', "null", "7", "{}"])
def test_what_is_no_event_at_all_has_no_event_name(body):
    """JSON that is not an object breaks the first rule there is."""
    assert contract_pairs(body) == {("/eventName", "required")}


def _keywords(schema: Any) -> set[str]:
    """Return the keywords of a schema and its subschemas, not the names of properties and definitions."""
    found = set(schema)
    for container in ("properties", "$defs"):
        for inner in schema.get(container, {}).values():
            found |= _keywords(inner)
    return found


# What takes the place of a value. Left out is where the two validators are known to differ: a leap second
# and the year 0000 (RFC 3339 allows them, the reference's date-time refuses them) and a line feed at the
# end of an instant ("$" matches before it in Python's patterns, not in ECMA-262's). Java prints none of them.
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
            "2026-03-01T09:30:00.Z",
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


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_ORIGINALS), st.data())
def test_both_validators_find_the_same_whatever_is_done_to_an_event(original, data):
    """Members dropped, replaced and added at any depth: verdict, places and rules agree."""
    event = copy.deepcopy(original)
    for _ in range(data.draw(st.integers(1, 4), label="mutations")):
        target = data.draw(st.sampled_from(_objects(event)), label="object")
        name = data.draw(st.sampled_from([*target, "unknown"]), label="member")
        if data.draw(st.booleans(), label="drop"):
            target.pop(name, None)
        else:
            target[name] = data.draw(_VALUES, label="value")
    event["eventName"] = data.draw(st.sampled_from(EVENT_NAMES), label="type")

    assert contract_pairs(json.dumps(event)) == reference_pairs(event)
