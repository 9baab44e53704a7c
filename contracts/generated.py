"""What the commands that write docs/contract/ have in common: they write a file, or tell whether it is up to date."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from mark_event_queue.domain.contract import IncompleteContractError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "contract"


class GenerationError(Exception):
    """The file cannot be made; says why, and what to do."""


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
