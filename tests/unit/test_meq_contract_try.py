"""Unit tier, `meq contract try`: proves what a producer's team is told of an item before it is written.

That the converter makes the same message of the same item is proven by both using one function.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from meq.__main__ import commands
from tests.builders import SCHEMAS, add_second_major, event_id, item, record, registration_number, removal

PERSONAL = "Jane Secret"


def _try(file: Path, *options: str) -> Result:
    return CliRunner().invoke(commands, ["contract", "try", str(file), *options])


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Writes what a test gives into a file."""

    def write(of: Any) -> Path:
        file = tmp_path / "item.json"
        file.write_text(of if isinstance(of, str) else json.dumps(of), "utf-8")
        return file

    return write


def _json(file: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_try(file, "--json", *options).stdout)
    return found


def test_a_valid_item_shows_the_message(written):
    """Body to the digit, group and attributes as a client gets them, but for the number that the stream gives."""
    file = written(item(1, "AFC 6", RegistrationNumber={"M": registration_number(price={"N": "0.10"})}))

    (found,) = _json(file)

    assert (found["valid"], found["violations"]) == (True, [])
    assert '"price":0.10' in found["message"]["body"]
    assert found["message"]["groupId"] == "AFC%206"
    assert found["message"]["attributes"] == {"eventId": event_id(1), "schema": "LockEvent/1.0.0"}
    told = _try(file)
    assert (told.exit_code, told.stdout.splitlines()[0]) == (0, "valid. The message that a client gets:")
    assert "(the stream gives it)" in told.stdout


def test_a_broken_item_shows_places_and_rules_and_no_value(written):
    """The exit code says it, too."""
    state = registration_number(price={"N": "-1"}, entitlement={"M": {"nomineeName": {"N": "7"}}})
    file = written(item(RegistrationNumber={"M": state}, telephone={"S": PERSONAL}))

    told = _try(file)

    assert told.exit_code == 1
    assert "  /RegistrationNumber/entitlement/nomineeName type\n" in told.stdout
    assert "  /RegistrationNumber/price minimum\n" in told.stdout
    assert PERSONAL not in told.output


@pytest.mark.parametrize(
    ("given", "places"),
    [
        (record(), [""]),
        ({"Records": [record(), record()]}, ["/Records/0", "/Records/1"]),
        ({"Item": item()}, ["/Item"]),
        ({"Items": [item()]}, ["/Items/0"]),
        ([item(), {"Item": item()}], ["/0", "/1/Item"]),
        (item() | {"Item": {"S": "an attribute of that name"}}, [""]),
        (item() | {"dynamodb": {"M": {}}}, [""]),
    ],
)
def test_a_file_may_hold_what_tools_print(written, given, places):
    """An item, records of the stream, what `aws dynamodb` prints, and lists of them; each is told with its place."""
    found = _json(written(given))

    assert [one["place"] for one in found] == places
    assert all(one["valid"] for one in found)


def test_a_record_has_its_sequence_number(written):
    """What the stream said is in the message, as wide as clients get it."""
    (found,) = _json(written(record(number=7)))

    assert len(found["message"]["attributes"]["sequenceNumber"]) == 40


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (item(eventId=None), "the item has no eventId"),
        (item(more={"S": "x" * 250_000}), "too large for a batch: 25"),
        ({"mark": {"S": 3}}, "the item cannot be written as JSON: /mark is not a string"),
        ({"eventId": "plain"}, "the item cannot be written as JSON: /eventId is not an attribute value"),
    ],
)
def test_what_cannot_become_an_event_is_told_why(written, given, rule):
    """As the gate would tell it."""
    told = _try(written(given))

    assert told.exit_code == 1
    assert rule in told.stdout
    assert '"\n' not in told.stdout


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{", "is not JSON"),
        ('{"price": NaN}', "NaN is no value of JSON"),
        ("[7]", "/0 is no item"),
        ("[]", "holds no item"),
        (json.dumps(removal()), "is a removal, which carries no event"),
    ],
)
def test_a_file_without_an_item_is_told_so(written, given, problem):
    """In a line, with exit code 2."""
    told = _try(written(given))

    assert told.exit_code == 2
    assert problem in told.output


def test_a_file_that_is_not_there_is_told(tmp_path):
    """Nor is one that cannot be read."""
    told = _try(tmp_path / "nowhere.json")

    assert told.exit_code == 2
    assert "cannot be read" in told.output


def test_another_contract_may_be_asked(written, tmp_path):
    """As before it is deployed: what only a later major allows is told with its version."""
    schemas = tmp_path / "schemas"
    (schemas / "v1").mkdir(parents=True)
    for path in SCHEMAS.iterdir():
        (schemas / "v1" / path.name).write_bytes(path.read_bytes())
    add_second_major(schemas)
    file = written(item(RegistrationNumber={"M": registration_number(Status={"S": "MARK_LEASED"})}))

    assert _try(file).exit_code == 1
    (found,) = _json(file, "--schemas", str(schemas))
    assert found["message"]["attributes"]["schema"] == "LockEvent/2.0.0"
    assert _try(file, "--schemas", str(tmp_path)).exit_code == 2
