"""What the commands of this folder have in common: they run tools, write a file, or tell whether it is up to date."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mark_event_queue.domain.contract import IncompleteContractError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "contract"

_LONGEST_TOLD = 600


class GenerationError(Exception):
    """The file cannot be made; says why, and what to do, in one line."""


def write_or_check(module: str, purpose: str, path: Path, made: Callable[[], str]) -> None:
    """Run a module's command: write a file, or with --check end with exit code 1 if it is not as it would be made."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the file is out of date")
    wants_check = parser.parse_args().check
    try:
        text = made()
    except (GenerationError, IncompleteContractError) as error:
        sys.exit(str(error))
    if not wants_check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    elif not path.is_file() or path.read_text("utf-8") != text:
        sys.exit(f"{path.relative_to(ROOT)} is out of date: run python -m {module}")


def run(command: list[str], folder: Path, given: str = "") -> str:
    """Run a tool in a folder and return what it prints.

    Raises:
        GenerationError: it has failed; says what it has said.
    """
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        told = "; ".join(line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip())
        name = " ".join([Path(command[0]).name, *command[1:3]])
        raise GenerationError(f"{name} has failed: {told[:_LONGEST_TOLD]}")
    return done.stdout
