"""Builds dist/mark-event-contracts-<version>.tgz, the contract as an npm package with types, of each major version."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from contracts.asyncapi import Major, schemas, text_of
from contracts.generated import ROOT, GenerationError, run
from contracts.node import Tools, installed, tools
from contracts.packages import DIST, LICENCE, SCHEMAS, build_each, copy_data, counterexamples, examples, tell

SOURCE = ROOT / "contracts" / "npm"
NAME = "mark-event-contracts"

_ROUNDED = " JSON.parse rounds it: to have every digit, read it as the package's README says."


def build(node: Tools, into: Path = DIST, folder: Path = SCHEMAS) -> list[Path]:
    """Build the packages and return where they are, see `build_each`; the same sources give the same bytes."""
    return build_each(into, f"{NAME}-*.tgz", folder, lambda major, stage: _pack(major, folder, stage, node))


def _pack(major: Major, folder: Path, stage: Path, node: Tools) -> Path:
    manifest = json.loads((SOURCE / "package.json").read_text("utf-8"))
    del manifest["devDependencies"]
    (stage / "package.json").write_text(json.dumps(manifest | {"version": major.version}, indent=2), "utf-8")
    for source in (SOURCE / "index.js", SOURCE / "index.d.ts", SOURCE / "README.md", LICENCE):
        shutil.copy(source, stage)
    (stage / "data.js").write_text(f"export default {text_of(_data(major, folder))};\n", "utf-8")
    (stage / "types.d.ts").write_text(_types(major, node), "utf-8")
    copy_data(major, folder, stage / "schemas")
    run([node.npm, "pack", "--ignore-scripts"], stage)
    return stage / f"{NAME}-{major.version}.tgz"


def _data(major: Major, folder: Path) -> dict[str, Any]:
    events, notices = (_named(major, kind) for kind in ("Event", "Notice"))
    return {
        "version": major.version,
        "schemas": {f"{name}.json": schema for name, schema in major.schemas.items()},
        "examples": [{"name": name, "body": text_of(one, None)} for name, one in examples(major, folder, events)],
        "notices": [{"name": name, "body": text_of(one, None)} for name, one in examples(major, folder, notices)],
        "counterexamples": [
            {key: value for key, value in one.items() if key != "data"} | {"body": text_of(one["data"], None)}
            for one in counterexamples(major, folder)
        ],
    }


def _types(major: Major, node: Tools) -> str:
    # In the AsyncAPI document names tell their major version; in a package there is but one.
    suffix = major.component("")
    given = {
        "events": _named(major, "Event"),
        "notices": _named(major, "Notice"),
        "schemas": {name.removesuffix(suffix): _for_types(schema, suffix) for name, schema in schemas(major)},
    }
    folder = installed(SOURCE, node.npm)
    return run([node.node, str(folder / "types.mjs")], folder, text_of(given))


def _named(major: Major, kind: str) -> list[str]:
    return [name for name in major.messages if name.endswith(kind)]


def _for_types(schema: Any, suffix: str) -> Any:
    """Return a schema whose references have no suffix, and whose numbers with decimals tell that JavaScript rounds."""
    if isinstance(schema, list):
        return [_for_types(one, suffix) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {keyword: _for_types(value, suffix) for keyword, value in schema.items()}
    if isinstance(schema.get("$ref"), str):
        told["$ref"] = schema["$ref"].removesuffix(suffix)
    kinds = schema.get("type")
    if kinds == "number" or (isinstance(kinds, list) and "number" in kinds):
        told["description"] = schema.get("description", "") + _ROUNDED
    return told


def main() -> None:
    """Build the packages and print where they are; where there is no node, tell that they are left out."""
    try:
        node = tools()
    except GenerationError as error:
        sys.stdout.write(f"the npm package was left out: {error}\n")
        return
    tell(lambda: build(node))


if __name__ == "__main__":
    main()
