"""Contract tier, producer: proves that everything mark-api is known to write becomes an event that is valid.

The items are built from the producer's model, converted as the converter does it, and held against the
validators. It cannot prove that the producer never changes; the quarantine shows when it does.
"""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mark_event_queue.domain.events import convert
from tests.builders import EVENT_NAMES, STATUSES, Item, event_id, item, record, registration_number
from tests.contract.reference import contract_pairs, reference_pairs

_TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
_MARKS = st.from_regex(r"[A-Z0-9]{1,4}( [A-Z0-9]{1,4})?", fullmatch=True)


def _instant(moment: datetime, fraction: str) -> str:
    """Return an instant as Java's ISO_INSTANT prints it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0") + (f".{fraction}" if fraction else "") + "Z"


_INSTANTS = st.builds(
    _instant,
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31)),  # noqa: DTZ001
    st.sampled_from([0, 3, 6, 9]).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size)),
)
_PRICES = st.one_of(
    st.integers(0, 10**38 - 1).map(str),
    st.builds(
        lambda number, places: str(Decimal(number).scaleb(-places)), st.integers(0, 10**38 - 1), st.integers(0, 9)
    ),
)


# A mapper of one generation leaves out what is null, one of another writes it so.
_NULLS: st.SearchStrategy[dict[str, Any]] = st.just({"NULL": True})


def _strings(*names: str) -> dict[str, st.SearchStrategy[dict[str, Any]]]:
    return {name: _TEXTS.map(lambda text: {"S": text}) | _NULLS for name in names}


def _instants(*names: str) -> dict[str, st.SearchStrategy[dict[str, Any]]]:
    return {name: _INSTANTS.map(lambda text: {"S": text}) | _NULLS for name in names}


_ADDRESSES = st.fixed_dictionaries(
    {}, optional=_strings("addLine1", "addLine2", "addLine3", "addLine4", "postTown", "postcode")
)
_ENTITLEMENTS = st.fixed_dictionaries(
    {},
    optional=_strings("certificateNo", "nomineeName", "customerId", "purchaserName", "telephoneNo")
    | _instants("agreementTime", "expiryTime", "certificateTime")
    | {"address": _ADDRESSES.map(lambda address: {"M": address}) | _NULLS},
)


@st.composite
def _items(draw: st.DrawFn) -> Item:
    """Return an item as the producer's mapper writes it."""
    mark, instant = draw(_MARKS), {"S": draw(_INSTANTS)}
    optional: Any = {
        "Status": st.sampled_from([{"S": status} for status in STATUSES]) | _NULLS,
        "lockTime": _INSTANTS.map(lambda text: {"S": text}) | _NULLS,
        "price": _PRICES.map(lambda text: {"N": text}) | _NULLS,
        "entitlement": _ENTITLEMENTS.map(lambda e: {"M": e}) | _NULLS,
    }
    known = {"Status": None, "price": None} | draw(st.fixed_dictionaries({}, optional=optional))
    version = {"N": str(draw(st.integers(1, 10**12)))}
    state = registration_number(mark, eventTime=instant, version=version, **known)
    return item(
        mark=mark,
        eventId={"S": str(draw(st.uuids(version=4)))},
        eventName={"S": draw(st.sampled_from(EVENT_NAMES))},
        createTime=instant,
        RegistrationNumber={"M": state},
    )


def _assert_valid(image: Item) -> dict[str, Any]:
    """Assert that the item becomes an event, valid to both validators, and return what a client reads."""
    event = convert(record(image))
    assert not event.unfit
    assert contract_pairs(event.body) == set()
    assert reference_pairs(event.body) == set()
    read: dict[str, Any] = json.loads(event.body, parse_float=Decimal, parse_int=Decimal)
    return read


def _with_state(**changes: dict[str, Any] | None) -> Item:
    return item(RegistrationNumber={"M": registration_number(**changes)})


@settings(deadline=None)
@given(_items())
def test_whatever_the_producer_writes_is_valid(image):
    """Any item of the producer's model converts to a valid event that says the item's texts and numbers exactly."""
    read = _assert_valid(image)

    state = image["RegistrationNumber"]["M"]
    assert read["mark"] == image["mark"]["S"]
    assert read["createTime"] == image["createTime"]["S"]
    if "N" in state.get("price", {}):
        assert read["RegistrationNumber"]["price"] == Decimal(state["price"]["N"])
    assert set(read["RegistrationNumber"]) == set(state)


@pytest.mark.parametrize("event_name", EVENT_NAMES)
@pytest.mark.parametrize("status", STATUSES)
def test_every_event_in_every_status_is_valid(event_name, status):
    """No event type is tied to a status."""
    image = _with_state(Status={"S": status}) | {"eventName": {"S": event_name}}

    assert _assert_valid(image)["RegistrationNumber"]["Status"] == status


@pytest.mark.parametrize(
    "mark", ["AFC 6", "AFC F7", "A 1", "1 RAF", "AB12CDE", "AB12 CDE", "A\n\x1b[31mB", "\u202eAFC", "X" * 200]
)
def test_marks_of_any_spelling_are_valid(mark):
    """A mark is what the table says: spaces, control characters and length included."""
    assert _assert_valid(item(mark=mark))["mark"] == mark


@pytest.mark.parametrize("fraction", ["", "025", "000025", "000000025", "123456789"])
def test_instants_of_every_precision_are_valid(fraction):
    """Java prints 0, 3, 6 or 9 digits of a second, and the event keeps them."""
    instant = _instant(datetime(2026, 3, 1, 9, 30, tzinfo=UTC), fraction)
    image = _with_state(eventTime={"S": instant}, lockTime={"S": instant}) | {"createTime": {"S": instant}}

    assert _assert_valid(image)["createTime"] == instant


@pytest.mark.parametrize(
    "price",
    [
        "0",
        "299",
        "299.5",
        "0.1",
        "99999999999999999999999999999999999999",
        "999999999999999999999999999999999999.99",
        "0.00000000000000000000000000000000000001",
        "1E+10",
    ],
)
def test_prices_are_valid_and_exact(price):
    """Whole, fractional and 38 digits long: the client reads the table's digits."""
    image = _with_state(price={"N": price})

    _assert_valid(image)
    assert f'"price":{price},' in convert(record(image)).body


@pytest.mark.parametrize("version", ["1", "2", "12345678901234567890", "99999999999999999999999999999999999999"])
def test_versions_that_have_grown_are_valid(version):
    """A mark may have any number of events."""
    assert _assert_valid(_with_state(version={"N": version}))["RegistrationNumber"]["version"] == Decimal(version)


def test_a_mark_that_is_neither_bought_nor_locked_is_valid():
    """The producer leaves out what is null."""
    read = _assert_valid(_with_state(entitlement=None, lockTime=None))

    assert not {"entitlement", "lockTime"} & set(read["RegistrationNumber"])


@pytest.mark.parametrize("entitlement", [{}, {"address": {"M": {}}}, {"nomineeName": {"S": ""}}])
def test_an_entitlement_that_knows_little_is_valid(entitlement):
    """All parts of an entitlement may be missing, and a text may be empty."""
    assert "entitlement" in _assert_valid(_with_state(entitlement={"M": entitlement}))["RegistrationNumber"]


@pytest.mark.parametrize(
    "attribute",
    [
        {"S": "new"},
        {"N": "1.5"},
        {"B": "AA=="},
        {"BOOL": True},
        {"NULL": True},
        {"M": {"more": {"L": [{"S": "x"}]}}},
        {"SS": ["a"]},
        {"NS": ["1"]},
        {"BS": ["AA=="]},
    ],
)
def test_what_the_producer_may_add_is_valid(attribute):
    """Unknown properties of any type, at any level, are delivered like the rest."""
    state = registration_number(
        addition=attribute, entitlement={"M": {"addition": attribute, "address": {"M": {"addition": attribute}}}}
    )

    read = _assert_valid(item(addition=attribute, RegistrationNumber={"M": state}))

    assert "addition" in read
    assert "addition" in read["RegistrationNumber"]["entitlement"]["address"]


# What mark-api writes of a mark, place by place: whether it may be left out, and so be null.
_FIELDS = {
    "eventId": False,
    "eventName": False,
    "createTime": False,
    "mark": False,
    "RegistrationNumber": False,
    "RegistrationNumber/mark": False,
    "RegistrationNumber/Status": True,
    "RegistrationNumber/eventTime": False,
    "RegistrationNumber/lockTime": True,
    "RegistrationNumber/price": True,
    "RegistrationNumber/version": False,
    "RegistrationNumber/entitlement": True,
    "RegistrationNumber/entitlement/certificateNo": True,
    "RegistrationNumber/entitlement/nomineeName": True,
    "RegistrationNumber/entitlement/agreementTime": True,
    "RegistrationNumber/entitlement/expiryTime": True,
    "RegistrationNumber/entitlement/certificateTime": True,
    "RegistrationNumber/entitlement/customerId": True,
    "RegistrationNumber/entitlement/purchaserName": True,
    "RegistrationNumber/entitlement/telephoneNo": True,
    "RegistrationNumber/entitlement/address": True,
    "RegistrationNumber/entitlement/address/addLine1": True,
    "RegistrationNumber/entitlement/address/addLine2": True,
    "RegistrationNumber/entitlement/address/addLine3": True,
    "RegistrationNumber/entitlement/address/addLine4": True,
    "RegistrationNumber/entitlement/address/postTown": True,
    "RegistrationNumber/entitlement/address/postcode": True,
}

each_optional_field = pytest.mark.parametrize("field", [field for field, optional in _FIELDS.items() if optional])
each_needed_field = pytest.mark.parametrize("field", [field for field, optional in _FIELDS.items() if not optional])


def _full_item() -> Item:
    """Return an item in which everything is known."""
    instant = {"S": "2026-03-01T09:30:00Z"}
    lines = {name: {"S": "x"} for name in ("addLine1", "addLine2", "addLine3", "addLine4", "postTown", "postcode")}
    texts = {
        name: {"S": "x"} for name in ("certificateNo", "nomineeName", "customerId", "purchaserName", "telephoneNo")
    }
    times = dict.fromkeys(("agreementTime", "expiryTime", "certificateTime"), instant)
    return _with_state(lockTime=instant, entitlement={"M": texts | times | {"address": {"M": lines}}})


def _set(image: Item, field: str, attribute: dict[str, Any] | None) -> Item:
    """Return the item with another attribute at a place, or with none."""
    name, _, inner = field.partition("/")
    if inner:
        attribute = {"M": _set(image[name]["M"], inner, attribute)}
    others = {other: value for other, value in image.items() if other != name}
    return others if attribute is None else others | {name: attribute}


def _places(read: Any, above: str = "") -> set[str]:
    """Return the places of everything in an event, objects themselves included."""
    if not isinstance(read, dict):
        return set()
    return {f"{above}{name}" for name in read}.union(*(_places(read[name], f"{above}{name}/") for name in read))


def test_the_fields_walked_are_all_that_there_are():
    """The item in which everything is known has each field of the list, and no other."""
    assert _places(json.loads(convert(record(_full_item())).body)) == set(_FIELDS)


@each_optional_field
def test_what_may_be_left_out_is_valid_without_it(judge, field):
    """What the caller of mark-api, or the story of a mark, leaves out is left out of a valid event."""
    event = convert(record(_set(_full_item(), field, None)))

    assert not event.unfit
    assert judge(event.body) == set()
    assert field not in _places(json.loads(event.body))


@each_optional_field
def test_what_may_be_left_out_may_be_null(judge, field):
    """A mapper that writes what is not known as NULL makes valid events, null where the table says so."""
    event = convert(record(_set(_full_item(), field, {"NULL": True})))

    assert not event.unfit
    assert judge(event.body) == set()
    assert field in _places(json.loads(event.body))


@each_needed_field
@pytest.mark.parametrize("attribute", [None, {"NULL": True}], ids=["left out", "null"])
def test_what_must_be_known_is_missed(judge, field, attribute):
    """Neither absent nor null is what an event is found, told from others or ordered by: its place is named."""
    rule = "type" if attribute else "required"

    assert (f"/{field}", rule) in judge(convert(record(_set(_full_item(), field, attribute))).body)


def test_an_item_that_a_global_table_writes_again_is_valid():
    """The replication of 2017 brings each item once more, with attributes of its own: the same event id tells."""
    replication: Item = {
        "aws:rep:deleting": {"BOOL": False},
        "aws:rep:updateregion": {"S": "eu-west-2"},
        "aws:rep:updatetime": {"N": "1772352000.123001"},
    }

    assert _assert_valid(item(4) | replication)["eventId"] == _assert_valid(item(4))["eventId"]


def test_the_event_id_is_the_items():
    """A client de-duplicates by the id that the producer gave the event."""
    assert _assert_valid(item(4))["eventId"] == event_id(4)
