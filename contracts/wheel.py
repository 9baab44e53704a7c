"""Builds the wheel of the Python package: `python -m contracts.wheel`; it needs no network, and no file but these."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "contracts" / "python"
NAME = "mark_event_contracts"


def main() -> None:
    """Build the wheel into dist/, and say where it is."""
    print(build(ROOT / "dist").relative_to(ROOT))  # noqa: T201 (a command)


def build(folder: Path) -> Path:
    """Build the wheel into a folder, in the place of older ones, and return it.

    Raises:
        CalledProcessError: it could not be built; its output tells why.
    """
    for old in folder.glob(f"{NAME}-*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob(f"{NAME}-*.whl")
    return wheel


if __name__ == "__main__":
    main()
