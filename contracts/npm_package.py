"""Builds dist/mark-event-contracts-<version>.tgz, the contract as an npm package, with TypeScript types."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.asyncapi import Major, majors, schemas, text_of
from contracts.generated import ROOT, GenerationError
from contracts.node import Tools, installed, tools
from mark_event_queue.domain.contract import IncompleteContractError, read_exactly

SOURCE = ROOT / "contracts" / "npm"
DIST = ROOT / "dist"

_SCHEMAS = ROOT / "schemas"
_ROUNDED = " JSON.parse rounds it: to have every digit, read it as the package's README says."


def build(node: Tools, into: Path = DIST) -> Path:
    """Build the package and return where it is; the same sources give the same bytes.

    Raises:
        RuntimeError: node or npm could not do it; says what it has said.
    """
    with tempfile.TemporaryDirectory() as scratch:
        stage = Path(scratch)
        version = _gather(stage, node)
        into.mkdir(parents=True, exist_ok=True)
        _run([node.npm, "pack", "--ignore-scripts", "--pack-destination", str(into.resolve())], stage)
    return into / f"mark-event-contracts-{version}.tgz"


def _gather(stage: Path, node: Tools) -> str:
    """Bring into a folder what is in the package, and return its version."""
    published = list(majors(_SCHEMAS))
    version = published[-1].version
    manifest = json.loads((SOURCE / "package.json").read_text("utf-8"))
    del manifest["devDependencies"]
    (stage / "package.json").write_text(json.dumps(manifest | {"version": version}, indent=2), "utf-8")
    for source in (SOURCE / "index.js", SOURCE / "README.md", ROOT / "LICENSE"):
        shutil.copy(source, stage)
    (stage / "data.js").write_text(f"export default {text_of(_data(published))};\n", "utf-8")
    types = [f'export * as v{major.number} from "./types/v{major.number}.js";' for major in published]
    newest = f"./types/v{published[-1].number}.js"
    head = f'import type {{ MarkEvent, Message }} from "{newest}";\n'
    tail = "\n".join(["", f'export * from "{newest}";', *types, ""])
    (stage / "index.d.ts").write_text(head + (SOURCE / "index.d.ts").read_text("utf-8") + tail, "utf-8")
    (stage / "types").mkdir()
    for major in published:
        name = f"v{major.number}"
        (stage / "types" / f"{name}.d.ts").write_text(_types(major, node), "utf-8")
        shutil.copytree(_SCHEMAS / name, stage / "schemas" / name, ignore=shutil.ignore_patterns("VERSION"))
        for kind in ("examples", "counterexamples"):
            shutil.copytree(_SCHEMAS / kind / name, stage / kind / name)
    return version


def _data(published: list[Major]) -> dict[str, Any]:
    return {
        "versions": [major.version for major in published],
        "schemas": {
            f"v{major.number}": {f"{name}.json": schema for name, schema in major.schemas.items()}
            for major in published
        },
        "examples": [one for major in published for one in _examples(major, "Event")],
        "notices": [one for major in published for one in _examples(major, "Notice")],
        "counterexamples": [one for major in published for one in _counterexamples(major)],
    }


def _examples(major: Major, kind: str) -> Iterator[dict[str, Any]]:
    folder = _SCHEMAS / "examples" / f"v{major.number}"
    for path in sorted(folder.glob(f"*{kind}/*.json")):
        body = text_of(read_exactly(path.read_text("utf-8")), None)
        yield {"major": major.number, "name": f"{path.parent.name}/{path.stem}", "body": body}


def _counterexamples(major: Major) -> Iterator[dict[str, Any]]:
    path = _SCHEMAS / "counterexamples" / f"v{major.number}" / "events.json"
    for one in read_exactly(path.read_text("utf-8")):
        told = {key: value for key, value in one.items() if key != "data"}
        yield {"major": major.number, **told, "body": text_of(one["data"], None)}


def _types(major: Major, node: Tools) -> str:
    given = {
        "events": [major.component(name) for name in major.messages if name.endswith("Event")],
        "notices": [major.component(name) for name in major.messages if name.endswith("Notice")],
        "schemas": {name: _warning(schema) for name, schema in schemas(major)},
    }
    folder = installed(SOURCE, node.npm)
    return _run([node.node, str(folder / "types.mjs")], folder, text_of(given))


def _warning(schema: Any) -> Any:
    """Return a schema whose numbers that may have decimals tell, by their description, that JavaScript rounds them."""
    if isinstance(schema, list):
        return [_warning(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    warned = {keyword: _warning(value) for keyword, value in schema.items()}
    kinds = schema.get("type")
    if kinds == "number" or (isinstance(kinds, list) and "number" in kinds):
        warned["description"] = schema.get("description", "") + _ROUNDED
    return warned


def _run(command: list[str], folder: Path, given: str = "") -> str:
    run = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"{Path(command[0]).name} could not build the package:\n{run.stdout}{run.stderr}")
    return run.stdout


def main() -> None:
    """Build the package and print where it is."""
    try:
        sys.stdout.write(f"{build(tools()).relative_to(ROOT)}\n")
    except (GenerationError, IncompleteContractError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
