"""Contract tier, producer: proves that everything mark-api is known to write becomes an event that is valid.

The items are built from the producer's model, converted as the converter does it, and held against both
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


def _strings(*names: str) -> dict[str, st.SearchStrategy[dict[str, str]]]:
    return {name: _TEXTS.map(lambda text: {"S": text}) for name in names}


def _instants(*names: str) -> dict[str, st.SearchStrategy[dict[str, str]]]:
    return {name: _INSTANTS.map(lambda text: {"S": text}) for name in names}


_ADDRESSES = st.fixed_dictionaries(
    {}, optional=_strings("addLine1", "addLine2", "addLine3", "addLine4", "postTown", "postcode")
)
_ENTITLEMENTS = st.fixed_dictionaries(
    {},
    optional=_strings("certificateNo", "nomineeName", "customerId", "purchaserName", "telephoneNo")
    | _instants("agreementTime", "expiryTime", "certificateTime")
    | {"address": _ADDRESSES.map(lambda address: {"M": address})},
)


@st.composite
def _items(draw: st.DrawFn) -> Item:
    """Return an item as the producer's mapper writes it."""
    mark, instant = draw(_MARKS), {"S": draw(_INSTANTS)}
    optional: Any = {
        "lockTime": _INSTANTS.map(lambda text: {"S": text}),
        "entitlement": _ENTITLEMENTS.map(lambda e: {"M": e}),
    }
    state = registration_number(
        mark,
        Status={"S": draw(st.sampled_from(STATUSES))},
        eventTime=instant,
        price={"N": draw(_PRICES)},
        version={"N": str(draw(st.integers(1, 10**12)))},
        **draw(st.fixed_dictionaries({}, optional=optional)),
    )
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
    read: dict[str, Any] = json.loads(event.body)
    assert reference_pairs(read) == set()
    return json.loads(event.body, parse_float=Decimal, parse_int=Decimal)  # type: ignore[no-any-return]


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
    assert read["RegistrationNumber"]["price"] == Decimal(state["price"]["N"])
    assert set(read["RegistrationNumber"]) == set(state)


@pytest.mark.parametrize("event_name", EVENT_NAMES)
@pytest.mark.parametrize("status", STATUSES)
def test_every_event_in_every_status_is_valid(event_name, status):
    """No event type is tied to a status."""
    image = _with_state(Status={"S": status}) | {"eventName": {"S": event_name}}

    assert _assert_valid(image)["RegistrationNumber"]["Status"] == status


@pytest.mark.parametrize("mark", ["AFC 6", "AFC F7", "A 1", "1 RAF", "AB12CDE", "AB12 CDE"])
def test_marks_with_and_without_spaces_are_valid(mark):
    """A mark is what the table says, spaces included."""
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


def test_the_event_id_is_the_items():
    """A client de-duplicates by the id that the producer gave the event."""
    assert _assert_valid(item(4))["eventId"] == event_id(4)
