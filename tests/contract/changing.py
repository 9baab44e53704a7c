"""Changes of the contract as data, and copies of its folder in which they are made."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from tests.builders import ROOT

CHANGES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("changes.json").read_text("utf-8"))


@cache
def _files() -> dict[str, str]:
    """Return the schemas that `changes.json` changes, as 1.0.0 published them."""
    folder = ROOT / "schemas" / "published" / "1.0.0"
    return {path.name: path.read_text("utf-8") for path in sorted(folder.glob("*.json"))}


def changed(folder: Path, change: dict[str, Any]) -> Path:
    """Make a folder of schemas in which 1.0.0 is published, and a change is made; return it."""
    _write(folder / "published" / "1.0.0", [])
    for before in change.get("before", ()):
        _write(folder / "published" / before["version"], before["edits"])
    _write(folder / "v1", change["edits"])
    (folder / "v1" / "VERSION").write_text(f"{change['version']}\n", "utf-8")
    return folder


def another_major(folder: Path) -> Path:
    """Put a second major version beside the first one, as the check says how to."""
    shutil.copytree(folder / "v1", folder / "v2")
    for path in (folder / "v2").glob("*.json"):
        path.write_text(path.read_text("utf-8").replace("/v1/", "/v2/"), "utf-8")
    (folder / "v2" / "VERSION").write_text("2.0.0\n", "utf-8")
    return folder / "v2"


def edit(folder: Path, *edits: dict[str, Any]) -> None:
    """Make changes in the schemas of a folder."""
    for one in edits:
        file = folder / one["file"]
        if one["path"]:
            schema = json.loads(file.read_text("utf-8"))
            _at(schema, one)
            file.write_text(json.dumps(schema, indent=2), "utf-8")
        elif one["op"] == "remove":
            file.unlink()
        else:
            file.write_text(json.dumps(one["value"], indent=2), "utf-8")


def _write(folder: Path, edits: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True)
    for name, text in _files().items():
        (folder / name).write_text(text, "utf-8")
    edit(folder, *edits)


def _at(schema: Any, one: dict[str, Any]) -> None:
    """Make one change at a JSON Pointer, as JSON Patch (RFC 6902) has it."""
    *steps, last = one["path"].split("/")[1:]
    for step in steps:
        schema = schema[int(step) if isinstance(schema, list) else step]
    if isinstance(schema, list):
        position = len(schema) if last == "-" else int(last)
        schema[position : position + (one["op"] != "add")] = [] if one["op"] == "remove" else [one["value"]]
        return
    if one["op"] != "add" and last not in schema:
        raise KeyError(f"{one['path']} is not there to {one['op']}")
    if one["op"] == "remove":
        del schema[last]
    else:
        schema[last] = one["value"]
