"""Unit tier, `domain.filters`: proves which filters are taken, that none of those is slow, and what passes them."""

import json

import pytest

from mark_event_queue.domain.errors import FilterError
from mark_event_queue.domain.filters import DEEPEST, MOST_SUBSCHEMAS, Filter
from tests.builders import SCHEMAS

EXAMPLES = SCHEMAS.parent / "examples" / "v1"


def _event(**changed: object) -> str:
    body = json.loads((EXAMPLES / "LockEvent" / "locked-for-sale.json").read_text("utf-8"))
    return json.dumps(body | changed)


def test_an_event_passes_what_it_satisfies():
    """By event type, by status, by what is deep inside: whatever an event holds."""
    by_type = Filter({"properties": {"eventName": {"enum": ["LockEvent", "UnLockEvent"]}}})
    by_price = Filter({"properties": {"RegistrationNumber": {"properties": {"price": {"minimum": 250}}}}})

    assert by_type.passes(_event())
    assert not by_type.passes(_event(eventName="DeleteEvent"))
    assert by_price.passes(_event(RegistrationNumber={"price": 250}))
    assert not by_price.passes(_event(RegistrationNumber={"price": 249}))


def test_numbers_are_judged_with_all_their_digits():
    """A double would round the number to the limit, and let it pass."""
    filter_ = Filter({"properties": {"n": {"minimum": 1}}})

    assert not filter_.passes('{"n":0.99999999999999999999999}')


def test_what_stopped_an_event_is_told_without_a_value():
    """Where and which rule: a value may be somebody's name."""
    filter_ = Filter({"properties": {"eventName": {"const": "DeleteEvent"}}})

    (violation,) = filter_.violations(_event())

    assert (violation.path, violation.rule) == ("/eventName", "const")


def test_references_to_ones_own_definitions_are_followed():
    """A definition may be used twice, and use another."""
    filter_ = Filter(
        {
            "$defs": {"lock": {"const": "LockEvent"}, "either": {"anyOf": [{"$ref": "#/$defs/lock"}, {"const": "X"}]}},
            "properties": {"eventName": {"$ref": "#/$defs/either"}},
        }
    )

    assert filter_.passes(_event())
    assert not filter_.passes(_event(eventName="DeleteEvent"))


def _nested(levels: int) -> dict[str, object]:
    schema: dict[str, object] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return schema


def _doubling(levels: int) -> dict[str, object]:
    definitions: dict[str, object] = {"d0": {"type": "string"}}
    for level in range(levels):
        definitions[f"d{level + 1}"] = {"allOf": [{"$ref": f"#/$defs/d{level}"}] * 2}
    return {"$defs": definitions, "$ref": f"#/$defs/d{levels}"}


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (["LockEvent"], "that is no JSON Schema: it has to be an object"),
        (True, "that is no JSON Schema: it has to be an object"),
        ({"type": "text"}, "that is no JSON Schema 2020-12"),
        ({"properties": {"mark": {"pattern": "("}}}, "that is no JSON Schema 2020-12"),
        ({"properties": {"mark": {"pattern": "(?=A)"}}}, "look-around"),
        ({"pattern": r"(a)\1"}, "references to groups"),
        ({"pattern": "((a{500}){500})"}, "too much room"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "of another dialect"),
        (_nested(DEEPEST + 1), f"deeper than {DEEPEST} levels"),
        ({"anyOf": [{"const": number} for number in range(MOST_SUBSCHEMAS)]}, f"more than {MOST_SUBSCHEMAS} subs"),
        (_doubling(11), f"more than {MOST_SUBSCHEMAS} subschemas, references followed"),
        ({"$ref": "https://example.org/schema.json"}, "a $ref to something else"),
        ({"$ref": "#"}, "a $ref to something else"),
        ({"$ref": "#/$defs/there"}, "a $ref to something else"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "lead in a circle"),
        ({"$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}, "lead in a circle"),
        ({"unevaluatedProperties": False}, "the keyword unevaluatedProperties"),
        ({"items": {"$dynamicRef": "#x"}}, "the keyword $dynamicRef"),
    ],
)
def test_a_filter_that_is_none_or_not_safe_is_refused(schema: object, problem: str):
    """The text reads behind "its registration", and says what is wrong with it."""
    with pytest.raises(FilterError) as refused:
        Filter(schema)

    assert str(refused.value).startswith('has a "filter" ')
    assert problem in str(refused.value)


def test_names_that_look_like_keywords_are_names():
    """A property may be called anything: only what is a keyword is one."""
    assert Filter({"properties": {"$id": {"const": 1}, "$ref": {}}}).passes('{"$id":1}')
    assert Filter({"const": {"$ref": "x", "unevaluatedItems": 1}}).passes('{"$ref":"x","unevaluatedItems":1}')


def test_no_pattern_that_is_taken_goes_back():
    """A backtracking engine would take years for this text: that the test ends is the proof."""
    filter_ = Filter({"properties": {"mark": {"pattern": "^(a+)+$"}}})
    body = json.dumps({"mark": "a" * 50_000 + "!"})

    assert not filter_.passes(body)
