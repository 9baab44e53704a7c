"""Brings into the wheel what is kept elsewhere, and has no copy here: schemas, examples and the gate's own code."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "schemas"
PACKAGE = "mark_event_contracts"

DOMAIN = ROOT / "functions" / "mark_event_queue" / "domain"
GATE_MODULES = ("attributes", "contract", "errors")
"""By these the converter writes JSON and the gate judges it; they import nothing of the project but one another."""


def majors() -> list[Path]:
    """Return the folders of the major versions, oldest first."""
    return sorted(SCHEMAS.glob("v[1-9]*"), key=lambda folder: int(folder.name[1:]))


def contract_version() -> str:
    """Return the version of the newest major version: the package has the contract's version, not the application's."""
    return (majors()[-1] / "VERSION").read_text("utf-8").strip()


def data() -> dict[str, str]:
    """Return where in the wheel each file belongs that is taken as it is: schemas, examples, the licence."""
    folders = [folder for major in majors() for folder in (major, *_beside(major.name))]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix == ".json")
    versions = [major / "VERSION" for major in majors()]
    placed = {str(path): f"{PACKAGE}/schemas/{path.relative_to(SCHEMAS).as_posix()}" for path in [*versions, *files]}
    return placed | {str(ROOT / "LICENSE"): f"{PACKAGE}/LICENSE"}


def gate_module(name: str) -> str:
    """Return the text of a module of the gate, in which those beside it are found in the wheel."""
    return (DOMAIN / f"{name}.py").read_text("utf-8").replace("mark_event_queue.domain.", f"{PACKAGE}.gate.")


class ContractBuildHook(BuildHookInterface[Any]):
    """Adds the files that are kept elsewhere."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (the hook's signature)
        """Place the files."""
        self._folder = Path(tempfile.mkdtemp())
        build_data["force_include"].update(data())
        for name in GATE_MODULES:
            module = self._folder / f"{name}.py"
            module.write_text(gate_module(name), "utf-8")
            build_data["force_include"][str(module)] = f"{PACKAGE}/gate/{name}.py"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Delete what was only there to be packed."""
        shutil.rmtree(self._folder)


def _beside(major: str) -> list[Path]:
    return [SCHEMAS / "examples" / major, SCHEMAS / "counterexamples" / major]
