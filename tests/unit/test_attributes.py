"""Unit tier, `domain.attributes`: proves that an item becomes JSON text that says exactly what the table says.

boto3's own deserialiser is the oracle. It cannot prove that DynamoDB writes nothing else than this.
"""

import json
from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st

from mark_event_queue.domain.attributes import NotAnAttributeError, json_object

PERSONAL = "Jane Secret"


def _numbers() -> st.SearchStrategy[str]:
    """DynamoDB's numbers: up to 38 significant digits, exponents from -130 to 125."""
    digits = st.integers(min_value=-(10**38) + 1, max_value=10**38 - 1)
    return st.builds(lambda number, exponent: str(Decimal(number).scaleb(exponent)), digits, st.integers(-130, 80))


_TEXTS = st.text(max_size=20)
_BINARIES = st.binary(max_size=20).map(lambda data: b64encode(data).decode())
_SCALARS = st.one_of(
    _TEXTS.map(lambda text: {"S": text}),
    _numbers().map(lambda number: {"N": number}),
    _BINARIES.map(lambda data: {"B": data}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.lists(_TEXTS, min_size=1, max_size=4, unique=True).map(lambda texts: {"SS": texts}),
    st.lists(_numbers(), min_size=1, max_size=4, unique_by=Decimal).map(lambda numbers: {"NS": numbers}),
    st.lists(_BINARIES, min_size=1, max_size=4, unique=True).map(lambda data: {"BS": data}),
)
_ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda values: {"L": values})
        | st.dictionaries(_TEXTS, inner, max_size=4).map(lambda values: {"M": values})
    ),
    max_leaves=12,
)
_ITEMS = st.dictionaries(_TEXTS, _ATTRIBUTES, max_size=6)


def _with_bytes(attribute: dict[str, Any]) -> dict[str, Any]:
    """Return the attribute as boto3 hands it over: binary decoded, where the stream has base64."""
    ((kind, value),) = attribute.items()
    decoded = {
        "B": lambda: b64decode(value),
        "BS": lambda: [b64decode(data) for data in value],
        "L": lambda: [_with_bytes(inner) for inner in value],
        "M": lambda: {name: _with_bytes(inner) for name, inner in value.items()},
    }
    return {kind: decoded.get(kind, lambda: value)()}


def _model(value: Any) -> Any:
    """Return what boto3 made of an attribute in the terms of JSON; sets, which have no order, sorted."""
    if isinstance(value, dict):
        return {name: _model(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_model(inner) for inner in value]
    if isinstance(value, set):
        return sorted(_model(inner) for inner in value)
    return b64encode(bytes(value)).decode() if isinstance(value, Binary) else value  # type: ignore[call-overload]


def _sets_sorted(attribute: dict[str, Any], value: Any) -> Any:
    """Return the parsed value of an attribute with its sets, and nothing else, sorted."""
    ((kind, inner),) = attribute.items()
    if kind == "M":
        return {name: _sets_sorted(inner[name], value[name]) for name in value}
    if kind == "L":
        return [_sets_sorted(*pair) for pair in zip(inner, value, strict=True)]
    return sorted(value) if kind in {"SS", "NS", "BS"} else value


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@given(_ITEMS)
def test_any_item_reads_as_boto3_reads_it(item):
    """Whatever the types and the nesting, the JSON text says what boto3's deserialiser says, names in their order."""
    text = json_object(item)

    model = _model(TypeDeserializer().deserialize(_with_bytes({"M": item})))
    assert _sets_sorted({"M": item}, _parsed(text)) == model
    assert list(_parsed(text)) == list(item)
    assert text.isascii()


@given(st.text(alphabet=st.characters(), max_size=30), st.text(alphabet=st.characters(), max_size=5))
def test_any_text_comes_back_unchanged(text, name):
    """Every code point, lone surrogates included, survives in values and names, as ASCII."""
    written = json_object({name: {"S": text}})

    assert json.loads(written) == {name: text}
    assert written.isascii()


@pytest.mark.parametrize(
    "text", ["", "\ufffe", "\uffff", "\ud800", "\udfff\ud800", "\x00\x01\x1f\x7f", '"\\/', "\u2028\u2029", "\U0010ffff"]
)
def test_texts_that_queues_would_change_are_escaped(text):
    """What SQS would replace without a word leaves as printable ASCII, which it leaves alone."""
    written = json_object({"text": {"S": text}})

    assert json.loads(written) == {"text": text}
    assert written.isascii()
    assert written.isprintable()


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0",
        "299",
        "299.5",
        "0.1",
        "-0.10",
        "1E+125",
        "9.9999999999999999999999999999999999999E+125",
        "-1E-130",
        "1e2",
        "12345678901234567890123456789012345678",
        "0.12345678901234567890123456789012345678",
        "1234567890123456789012345678901234567.8",
    ],
)
def test_numbers_are_written_digit_for_digit(number):
    """A number that JSON can spell leaves as it came, character for character."""
    assert json_object({"price": {"N": number}, "all": {"NS": [number]}}) == f'{{"price":{number},"all":[{number}]}}'


@pytest.mark.parametrize(
    ("number", "written"),
    [(".5", "0.5"), ("-.5", "-0.5"), ("+1", "1"), ("1.", "1"), ("007", "7"), ("+.5E+3", "5E+2"), (" 1 ", "1")],
)
def test_spellings_that_json_lacks_are_made_valid(number, written):
    """A number in a spelling that JSON does not know keeps its value and its digits."""
    text = json_object({"price": {"N": number}})

    assert text == f'{{"price":{written}}}'
    assert _parsed(text) == {"price": Decimal(number)}


def test_every_type_has_its_json():
    """Sets are arrays in their order, binary stays base64, NULL and BOOL are JSON's own."""
    item = {
        "SS": {"SS": ["b", "a"]},
        "NS": {"NS": ["2", "1.50"]},
        "BS": {"BS": ["/w==", "AA=="]},
        "B": {"B": "3q2+7w=="},
        "T": {"BOOL": True},
        "F": {"BOOL": False},
        "NULL": {"NULL": True},
        "L": {"L": [{"L": []}, {"M": {}}, {"S": ""}]},
        "M": {"M": {"": {"M": {"x": {"N": "1"}}}}},
    }

    assert json_object(item) == (
        '{"SS":["b","a"],"NS":[2,1.50],"BS":["/w==","AA=="],"B":"3q2+7w==","T":true,"F":false,"NULL":null,'
        '"L":[[],{},""],"M":{"":{"x":1}}}'
    )


@pytest.mark.parametrize(
    ("attribute", "place"),
    [
        (PERSONAL, "/holder/0"),
        ([PERSONAL], "/holder/0"),
        (None, "/holder/0"),
        ({}, "/holder/0"),
        ({"S": PERSONAL, "N": "1"}, "/holder/0"),
        ({PERSONAL: "1"}, "/holder/0"),
        ({"S": [PERSONAL]}, "/holder/0"),
        ({"S": None}, "/holder/0"),
        ({"B": {"data": PERSONAL}}, "/holder/0"),
        ({"N": PERSONAL}, "/holder/0"),
        ({"N": 7}, "/holder/0"),
        ({"N": ""}, "/holder/0"),
        ({"N": "NaN"}, "/holder/0"),
        ({"N": "-Infinity"}, "/holder/0"),
        ({"BOOL": PERSONAL}, "/holder/0"),
        ({"M": PERSONAL}, "/holder/0"),
        ({"M": {"name": PERSONAL}}, "/holder/0/name"),
        ({"L": PERSONAL}, "/holder/0"),
        ({"SS": PERSONAL}, "/holder/0"),
        ({"SS": ["a", {"S": PERSONAL}]}, "/holder/0/1"),
        ({"NS": ["1", PERSONAL]}, "/holder/0/1"),
        ({"BS": [[PERSONAL]]}, "/holder/0/0"),
    ],
)
def test_malformed_attributes_are_refused_without_a_word_of_their_value(attribute, place):
    """What is no attribute value raises, and the error says where it is and never what."""
    with pytest.raises(NotAnAttributeError) as caught:
        json_object({"holder": {"L": [attribute]}})

    assert str(caught.value).startswith(f"{place} ")
    assert PERSONAL not in str(caught.value)


@pytest.mark.parametrize("item", [None, [], PERSONAL, 7])
def test_an_item_is_a_map(item):
    """An item that is no map at all raises at the root."""
    with pytest.raises(NotAnAttributeError, match=r"^/ is not a map$"):
        json_object(item)
