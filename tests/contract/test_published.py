"""Contract tier, publication: proves that published schemas stay open, and that names mean one thing.

What a change may be is proven in test_evolution.py.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import EVENT_NAMES, EXAMPLES, SCHEMAS
from tests.contract.reference import schemas


def _subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and everything in it that could be one."""
    if isinstance(schema, dict):
        yield schema
        for member in schema.values():
            yield from _subschemas(member)
    elif isinstance(schema, list):
        for member in schema:
            yield from _subschemas(member)


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_a_file_is_named_after_the_event_it_is_the_schema_of(name):
    """File name, title and the constant event name are the same word."""
    schema = schemas()[f"{name}.json"]

    assert schema["title"] == name
    assert schema["properties"]["eventName"] == {"const": name}


def test_the_folders_of_examples_are_the_names_of_events_and_notices():
    """Examples are found by the name of what they are of."""
    folders = {path.name for path in EXAMPLES.iterdir()}

    assert folders == {*EVENT_NAMES, "ForgottenNotice"}


@pytest.mark.parametrize("name", sorted(schemas()))
def test_objects_are_open_to_properties_nobody_knows_yet(name):
    """Nothing closes an object, so the producer can add a property before this application knows it."""
    closing = {"additionalProperties", "unevaluatedProperties", "propertyNames", "maxProperties"}

    assert not [found for found in _subschemas(schemas()[name]) if closing & set(found)]


@pytest.mark.parametrize("name", sorted(schemas()))
def test_references_stay_within_the_major_version(name):
    """A reference names a file beside it, or a part of its own file, that exists."""
    references = [found["$ref"] for found in _subschemas(schemas()[name]) if isinstance(found.get("$ref"), str)]

    for reference in references:
        file, _, place = reference.partition("#")
        target: Any = schemas()[file or name]
        for step in place.split("/")[1:]:
            target = target[step]
        assert isinstance(target, dict)


def test_every_published_file_is_read():
    """The folder of a major version holds schemas and its version, and nothing else."""
    assert {path.name for path in SCHEMAS.iterdir()} == {*schemas(), "VERSION"}
