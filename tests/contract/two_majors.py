"""A contract of two major versions, each with examples and counter-examples, for the tests of the packages."""

import json
import shutil
from pathlib import Path

from tests.builders import ROOT, add_second_major


def two_majors(folder: Path) -> Path:
    """Make a folder of schemas: major version 1 as it is, and the second one of `add_second_major`."""
    schemas = folder / "schemas"
    for place in (".", "examples", "counterexamples"):
        shutil.copytree(ROOT / "schemas" / place / "v1", schemas / place / "v1")
        if place != ".":
            shutil.copytree(schemas / place / "v1", schemas / place / "v2")
    add_second_major(schemas)
    for path in (schemas / "examples" / "v2").glob("*Event/*.json"):
        if "price" not in json.loads(path.read_text("utf-8"))["RegistrationNumber"]:
            path.unlink()
    return schemas


def raise_first_major(schemas: Path) -> None:
    """Make 1.9.0 of major version 1: it has one more optional property, and an example of it."""
    (schemas / "v1" / "VERSION").write_text("1.9.0\n", "utf-8")
    path = schemas / "v1" / "shared.json"
    shared = json.loads(path.read_text("utf-8"))
    shared["$defs"]["registrationNumber"]["properties"]["colour"] = {"type": ["string", "null"]}
    path.write_text(json.dumps(shared), "utf-8")
    example = schemas / "examples" / "v1" / "LockEvent" / "locked-for-sale.json"
    event = json.loads(example.read_text("utf-8"))
    event["RegistrationNumber"]["colour"] = "yellow"
    example.with_stem("with-a-colour").write_text(json.dumps(event), "utf-8")
