"""Unit tier, `domain.contract`: proves that a contract that is not whole judges nobody, and what several majors say.

What the published schemas say is proven in tests/contract.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mark_event_queue.domain.contract import IncompleteContractError, load, load_major
from tests.builders import EVENT_NAMES, SCHEMAS, add_second_major, example


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the published schemas, for the test to harm."""
    return Path(shutil.copytree(SCHEMAS, tmp_path / "v1"))


def _edit(path: Path, change: Callable[[Any], Any]) -> None:
    schema = json.loads(path.read_text("utf-8"))
    change(schema)
    path.write_text(json.dumps(schema), "utf-8")


def test_the_published_schemas_are_whole(folder):
    """Nothing is missing in what the functions are given."""
    assert load_major(folder).event_names == set(EVENT_NAMES)


def test_an_empty_folder_is_no_contract(tmp_path):
    """As of a checkout that lost its links: better no validator than one that rejects everything."""
    with pytest.raises(IncompleteContractError, match="VERSION, which says which version this is, is not there"):
        load_major(tmp_path)


def test_a_folder_that_is_not_there_is_no_contract(tmp_path):
    """Nor is a text file in its place, which is what a link is to a system that has none."""
    (tmp_path / "schemas").write_text("../../../schemas")

    for folder in (tmp_path / "nowhere", tmp_path / "schemas"):
        with pytest.raises(IncompleteContractError):
            load_major(folder)


@pytest.mark.parametrize("name", sorted(path.name for path in SCHEMAS.iterdir()))
def test_every_file_is_missed(folder, name):
    """Whichever file is not there is named."""
    (folder / name).unlink()

    with pytest.raises(IncompleteContractError, match=name):
        load_major(folder)


def test_an_event_type_without_a_schema_is_missed(folder):
    """The envelope lists the event types, and each has a file."""
    _edit(folder / "envelope.json", lambda schema: schema["properties"]["eventName"]["enum"].append("MarkSoldEvent"))

    with pytest.raises(IncompleteContractError, match=r"MarkSoldEvent\.json"):
        load_major(folder)


@pytest.mark.parametrize(
    ("name", "reference"), [("LockEvent.json", "envelop.json"), ("LockEvent.json", "envelope.json#/$defs/lock")]
)
def test_a_reference_to_nothing_is_missed(folder, name, reference):
    """Neither a file nor a part of one that is not there is taken for a schema that allows everything."""
    _edit(folder / name, lambda schema: schema.update({"$ref": reference}))

    with pytest.raises(IncompleteContractError):
        load_major(folder)


@pytest.mark.parametrize("part", ["instant", "optionalInstant", "mark", "status", "address", "registrationNumber"])
def test_a_shared_part_that_is_referred_to_is_missed(folder, part):
    """However deep the reference to it."""
    _edit(folder / "shared.json", lambda schema: schema["$defs"].pop(part))

    with pytest.raises(IncompleteContractError, match=part):
        load_major(folder)


@pytest.mark.parametrize("text", ["", "{", "../../../schemas/v1/LockEvent.json", "[]", "7", "{}", '{"$id": 7}'])
def test_a_file_that_is_no_schema_is_told(folder, text):
    """A file that was cut off or emptied stops the start like one that is not there."""
    (folder / "LockEvent.json").write_text(text)

    with pytest.raises(IncompleteContractError):
        load_major(folder)


@pytest.mark.parametrize("change", [{"type": "objekt"}, {"pattern": "("}])
def test_a_schema_that_breaks_the_dialect_is_told(folder, change):
    """A keyword with a value that means nothing is refused, by the name of its file."""
    _edit(folder / "LockEvent.json", lambda schema: schema.update(change))

    with pytest.raises(IncompleteContractError, match=r"LockEvent\.json"):
        load_major(folder)


@pytest.fixture
def majors(folder: Path) -> Path:
    """A folder with the published major version and a further one."""
    add_second_major(folder.parent)
    return folder.parent


@pytest.mark.parametrize(
    ("status", "price", "versions"),
    [
        ("MARK_ASSIGNED", 299, ["1.0.0", "2.0.0"]),
        ("MARK_ASSIGNED", None, ["1.0.0", "2.0.0"]),
        ("MARK_ASSIGNED", "absent", ["1.0.0"]),
        ("MARK_LEASED", 299, ["2.0.0"]),
    ],
)
def test_an_event_is_valid_in_whichever_majors_allow_it(majors, status, price, versions):
    """All of them are told, oldest first, and none of its rules is broken."""
    event = example()
    event["RegistrationNumber"] |= {"Status": status, "price": price}
    if price == "absent":
        del event["RegistrationNumber"]["price"]

    judgement = load(majors).judge(json.dumps(event))

    assert judgement == ("EntitlementCreateEvent", versions, ())


def test_of_an_event_that_no_major_allows_the_rules_of_the_nearest_are_told(majors):
    """A status that is none is one broken rule in the first, and beside it there is no price for the second."""
    event = example()
    event["RegistrationNumber"]["Status"] = "SOLD"
    del event["RegistrationNumber"]["price"]

    judgement = load(majors).judge(json.dumps(event))

    assert judgement.versions == []
    assert judgement.violations == [("/RegistrationNumber/Status", "enum")]


def test_an_event_type_of_a_later_major_is_judged_by_that(majors):
    """Not by the older one, to which its name alone is wrong."""
    _edit(
        majors / "v2" / "envelope.json", lambda schema: schema["properties"]["eventName"]["enum"].append("LeaseEvent")
    )
    lease = json.loads((majors / "v2" / "LockEvent.json").read_text("utf-8"))
    lease["$id"] = lease["$id"].replace("LockEvent", "LeaseEvent")
    lease["properties"]["eventName"]["const"] = "LeaseEvent"
    (majors / "v2" / "LeaseEvent.json").write_text(json.dumps(lease), "utf-8")
    event = example() | {"eventName": "LeaseEvent"}

    assert load(majors).judge(json.dumps(event)).versions == ["2.0.0"]
    event["RegistrationNumber"]["version"] = 0
    assert load(majors).judge(json.dumps(event)).violations == [("/RegistrationNumber/version", "minimum")]


@pytest.mark.parametrize("version", ["", "1", "1.0", "2.0.0", "1.0.0.0", "01.0.0", "1.0.x"])
def test_the_version_is_one_of_the_folders_major(folder, version):
    """Clients are told it with every event, so a contract without one judges nobody."""
    (folder / "VERSION").write_text(version)

    with pytest.raises(IncompleteContractError, match="VERSION"):
        load_major(folder)


def test_a_folder_without_a_major_is_no_contract(tmp_path):
    """Nor is one with more of them than can be judged side by side."""
    with pytest.raises(IncompleteContractError, match="no folder of a major version"):
        load(tmp_path)
    for number in range(1, 4):
        (tmp_path / f"v{number}").mkdir()
    with pytest.raises(IncompleteContractError, match="3 major versions; 2 can be delivered"):
        load(tmp_path)
