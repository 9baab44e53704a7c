"""What the packages of the contract have in common: there is one for each major version, of its own files alone."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from contracts.asyncapi import Major, majors, text_of
from contracts.generated import ROOT, GenerationError
from mark_event_queue.domain.contract import (
    Contract,
    Contracts,
    IncompleteContractError,
    Violation,
    load,
    load_major,
    majors_in,
    read_exactly,
)

SCHEMAS = ROOT / "schemas"
DIST = ROOT / "dist"
LICENCE = ROOT / "LICENSE"

_EXAMPLES, _COUNTEREXAMPLES = "examples", "counterexamples"


def build_each(into: Path, older: str, schemas: Path, pack: Callable[[Major, Path], Path]) -> list[Path]:
    """Build a package of each major version, the oldest first, in the place of older ones, and return where they are.

    `pack` builds one in an empty folder. Nothing is replaced unless all can be built.

    Raises:
        IncompleteContractError: there is no contract, or it is not whole.
        GenerationError: a package could not be built, or its examples are not what they should be.
    """
    demand_examples(schemas)
    with tempfile.TemporaryDirectory() as scratch:
        built = []
        for major in majors(schemas):
            stage = Path(scratch, f"v{major.number}")
            stage.mkdir()
            built.append(pack(major, stage))
        into.mkdir(parents=True, exist_ok=True)
        for old in into.glob(older):
            old.unlink()
        return [Path(shutil.move(package, into / package.name)) for package in built]


def tell(build: Callable[[], Iterable[Path]]) -> None:
    """Run a builder's command: print where its packages are, or end with exit code 1 and one line that tells why."""
    try:
        for package in build():
            sys.stdout.write(f"{package.relative_to(ROOT)}\n")
    except (GenerationError, IncompleteContractError) as error:
        sys.exit(str(error))


def copy_data(major: Major, schemas: Path, into: Path) -> None:
    """Copy what is published of a major version: schemas, examples, counter-examples, as they lie in their folder."""
    folders = [schemas / place / f"v{major.number}" for place in (".", _EXAMPLES, _COUNTEREXAMPLES)]
    for path in (path for folder in folders for path in folder.rglob("*")):
        if path.suffix == ".json" or path.name == "VERSION":
            target = into / path.relative_to(schemas)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def examples(major: Major, schemas: Path, types: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yield the examples of some types of events, or kinds of notices, by type and own name."""
    for name in types:
        for path in sorted((schemas / _EXAMPLES / f"v{major.number}" / name).glob("*.json")):
            yield f"{name}/{path.stem}", _read(path, schemas)


def counterexamples(major: Major, schemas: Path) -> Iterator[dict[str, Any]]:
    """Yield the counter-examples of a major version, as they are published."""
    yield from _read(_listed(schemas, major.number), schemas)


def demand_examples(schemas: Path) -> None:
    """Refuse a contract that lacks examples, or has some that are not what they should be: consumers test by them.

    Raises:
        IncompleteContractError: there is no contract, or it is not whole.
        GenerationError: an example is missing or not valid, or a counter-example breaks other rules than it says.
    """
    load(schemas)
    for number, folder in majors_in(schemas).items():
        contract = load_major(folder)
        of_major = schemas / _EXAMPLES / folder.name
        for wanted in (of_major, _listed(schemas, number).parent):
            _demand(wanted, wanted.is_dir(), schemas)
        for name in sorted(contract.event_names | contract.notice_names):
            _demand(of_major / name, any((of_major / name).glob("*.json")), schemas)
        _demand_valid(of_major, contract, schemas)
        _demand_broken(_listed(schemas, number), contract, schemas)


def _demand(folder: Path, is_there: bool, schemas: Path) -> None:
    if is_there:
        return
    place = folder.relative_to(schemas)
    kind, major, *below = place.parts
    older = Path(kind, f"v{int(major[1:]) - 1}", *below)
    # Into a folder that is there, cp would put another.
    can_begin = (schemas / older).is_dir() and not folder.exists()
    begin = f"begin with cp -r {schemas.name}/{older} {schemas.name}/{place}" if can_begin else "add what is missing"
    raise GenerationError(f"{schemas.name}/{place} is not there, or empty, and the packages need it: {begin}")


def _demand_valid(folder: Path, contract: Contract, schemas: Path) -> None:
    for path in sorted(folder.glob("*/*.json")):
        name = path.parent.name
        broken = [] if name in contract.notice_names else contract.violations(name, _read(path, schemas))
        if broken:
            place = path.relative_to(schemas.parent)
            raise GenerationError(f"{place} is not valid in {contract.version}: {_told(broken)}: mend it, or delete it")


def _demand_broken(path: Path, contract: Contract, schemas: Path) -> None:
    for one in _read(path, schemas):
        broken = Contracts([contract]).judge(text_of(one["data"], None)).violations
        if not broken or sorted(broken) != sorted(Violation(*said) for said in one["violations"]):
            raise GenerationError(
                f'{path.relative_to(schemas.parent)}: in {contract.version} "{one["description"]}" does not break what '
                f"it says, but {_told(broken)}: mend it, or delete it"
            )


def _told(violations: Iterable[Violation]) -> str:
    return ", ".join(f"{one.path or '/'} ({one.rule})" for one in violations) or "nothing"


def _listed(schemas: Path, number: int) -> Path:
    return schemas / _COUNTEREXAMPLES / f"v{number}" / "events.json"


def _read(path: Path, schemas: Path) -> Any:
    try:
        return read_exactly(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise GenerationError(f"{path.relative_to(schemas.parent)} is not there, or not JSON: mend it") from None
