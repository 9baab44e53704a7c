"""Builds dist/mark_event_contracts-<version>-*.whl, the contract as a Python package, of each major version."""

import shutil
import sys
from pathlib import Path

from contracts.asyncapi import Major
from contracts.generated import ROOT, run
from contracts.models import generated
from contracts.packages import DIST, LICENCE, SCHEMAS, build_each, copy_data, tell

PACKAGE = ROOT / "contracts" / "python"
NAME = "mark_event_contracts"

DOMAIN = ROOT / "functions" / "mark_event_queue" / "domain"
GATE_MODULES = ("attributes", "contract", "errors")
"""By these the converter writes JSON and the gate judges it; they import nothing of the project but one another."""


def build(into: Path = DIST, schemas: Path = SCHEMAS) -> list[Path]:
    """Build the wheels and return where they are, see `build_each`; the same sources give the same bytes."""
    return build_each(into, f"{NAME}-*.whl", schemas, lambda major, stage: _pack(major, schemas, stage))


def gate_module(name: str) -> str:
    """Return the text of a module of the gate, in which those beside it are found in the wheel."""
    return (DOMAIN / f"{name}.py").read_text("utf-8").replace("mark_event_queue.domain.", f"{NAME}.gate.")


def _pack(major: Major, schemas: Path, stage: Path) -> Path:
    """Bring together what is kept elsewhere, or made, and has no copy in the folder of the package; and build it."""
    shutil.copytree(PACKAGE, stage, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    shutil.copy(LICENCE, stage)
    (stage / "VERSION").write_text(major.version, "utf-8")
    package = stage / NAME
    copy_data(major, schemas, package / "schemas")
    for name in GATE_MODULES:
        (package / "gate" / f"{name}.py").write_text(gate_module(name), "utf-8")
    (package / "models.py").write_text(generated(major), "utf-8")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", "built"], stage)
    (wheel,) = (stage / "built").iterdir()
    return wheel


def main() -> None:
    """Build the wheels and print where they are."""
    tell(build)


if __name__ == "__main__":
    main()
