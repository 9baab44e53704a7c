"""Where the contract's versions are: a folder of each major version, and below `published/` each one as it was."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mark_event_queue.domain.contract import majors_in, read_exactly
from meq.errors import OperatorError
from meq.text import safe

_VERSION = re.compile(r"([1-9][0-9]?)[.](0|[1-9][0-9]?)[.](0|[1-9][0-9]?)")

Schemas = Mapping[str, Any]
"""The schemas of one version by file name."""


class Version(NamedTuple):
    """A version of the contract; versions compare as they follow one another."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def version_of(text: str) -> Version | None:
    """Return the version that a text names, if it does."""
    match = _VERSION.fullmatch(text)
    return Version(*map(int, match.groups())) if match else None


def majors(folder: Path) -> dict[int, Path]:
    """Return the folders of the major versions in a folder, the oldest first.

    Raises:
        OperatorError: there is none.
    """
    found = majors_in(folder)
    if not found:
        raise OperatorError(
            f"{safe(str(folder))} has no folder of a major version of the contract, such as v1. Say --schemas FOLDER."
        )
    return found


def published(folder: Path) -> dict[Version, Path]:
    """Return the folders of all published versions, the oldest first.

    Raises:
        OperatorError: something else lies among them.
    """
    found: dict[Version, Path] = {}
    for path in (folder / "published").glob("[!.]*"):
        version = version_of(path.name)
        if version is None or not path.is_dir():
            raise OperatorError(
                f"{safe(str(path))} is no folder of a published version, such as 1.0.0. Take it out of there."
            )
        found[version] = path
    return dict(sorted(found.items()))


def read(folder: Path) -> Schemas:
    """Return the schemas in a folder; numbers keep all their digits.

    Raises:
        OperatorError: there is none, or one cannot be read or has no `$id`.
    """
    found = {path.name: _schema(path) for path in sorted(folder.glob("*.json"))}
    if not found:
        raise OperatorError(f"{safe(str(folder))} has no schema.")
    return found


def _schema(path: Path) -> Any:
    try:
        schema = read_exactly(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OperatorError(f"{safe(str(path))} cannot be read as JSON: {safe(str(error))}.") from error
    if not (isinstance(schema, dict) and isinstance(schema.get("$id"), str)):
        raise OperatorError(f"{safe(str(path))} has no $id, by which the other schemas refer to it.")
    return schema


def publish(major: Path, version: Version) -> Path:
    """Keep the schemas of a major version as a published version, all of them or none; return the new folder."""
    target = major.parent / "published" / str(version)
    try:
        target.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{version}-") as scratch:
            fresh = Path(scratch) / str(version)
            fresh.mkdir()
            for path in sorted(major.glob("*.json")):
                shutil.copyfile(path, fresh / path.name)
            os.rename(fresh, target)  # noqa: PTH104 (Path.rename would replace an empty folder unasked on some systems)
    except OSError as error:
        raise OperatorError(f"{safe(str(target))} could not be written: {safe(str(error))}.") from error
    return target
