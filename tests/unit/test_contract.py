"""Unit tier, `domain.contract`: proves that a contract that is not whole judges nobody.

What the published schemas say is proven in tests/contract.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mark_event_queue.domain.contract import load
from mark_event_queue.domain.errors import IncompleteContractError
from tests.builders import EVENT_NAMES, SCHEMAS


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
    assert load(folder).event_names == set(EVENT_NAMES)


def test_an_empty_folder_is_no_contract(tmp_path):
    """As of a checkout that lost its links: better no validator than one that rejects everything."""
    with pytest.raises(IncompleteContractError, match=r"envelope\.json, which lists the event types, is not there"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_no_contract(tmp_path):
    """Nor is a text file in its place, which is what a link is to a system that has none."""
    (tmp_path / "schemas").write_text("../../../schemas")

    for folder in (tmp_path / "nowhere", tmp_path / "schemas"):
        with pytest.raises(IncompleteContractError):
            load(folder)


@pytest.mark.parametrize("name", sorted(path.name for path in SCHEMAS.iterdir()))
def test_every_file_is_missed(folder, name):
    """Whichever file is not there is named."""
    (folder / name).unlink()

    with pytest.raises(IncompleteContractError, match=name):
        load(folder)


def test_an_event_type_without_a_schema_is_missed(folder):
    """The envelope lists the event types, and each has a file."""
    _edit(folder / "envelope.json", lambda schema: schema["properties"]["eventName"]["enum"].append("MarkSoldEvent"))

    with pytest.raises(IncompleteContractError, match=r"MarkSoldEvent\.json"):
        load(folder)


@pytest.mark.parametrize(
    ("name", "reference"), [("LockEvent.json", "envelop.json"), ("LockEvent.json", "envelope.json#/$defs/lock")]
)
def test_a_reference_to_nothing_is_missed(folder, name, reference):
    """Neither a file nor a part of one that is not there is taken for a schema that allows everything."""
    _edit(folder / name, lambda schema: schema.update({"$ref": reference}))

    with pytest.raises(IncompleteContractError):
        load(folder)


@pytest.mark.parametrize("part", ["instant", "optionalInstant", "mark", "status", "address", "registrationNumber"])
def test_a_shared_part_that_is_referred_to_is_missed(folder, part):
    """However deep the reference to it."""
    _edit(folder / "shared.json", lambda schema: schema["$defs"].pop(part))

    with pytest.raises(IncompleteContractError, match=part):
        load(folder)


@pytest.mark.parametrize("text", ["", "{", "../../../schemas/v1/LockEvent.json", "[]", "7", "{}", '{"$id": 7}'])
def test_a_file_that_is_no_schema_is_told(folder, text):
    """A file that was cut off or emptied stops the start like one that is not there."""
    (folder / "LockEvent.json").write_text(text)

    with pytest.raises(IncompleteContractError):
        load(folder)


@pytest.mark.parametrize("change", [{"type": "objekt"}, {"pattern": "("}])
def test_a_schema_that_breaks_the_dialect_is_told(folder, change):
    """A keyword with a value that means nothing is refused, by the name of its file."""
    _edit(folder / "LockEvent.json", lambda schema: schema.update(change))

    with pytest.raises(IncompleteContractError, match=r"LockEvent\.json"):
        load(folder)
