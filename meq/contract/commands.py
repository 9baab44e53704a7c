"""The commands `meq contract …`: what each takes. They work on files, and need no stack and no AWS settings."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from meq.contract import trying
from meq.contract.published import publish
from meq.errors import OperatorError
from meq.options import with_json
from meq.output import show
from meq.text import safe

_BREAKS = 1


@click.group(name="contract")
def contract() -> None:
    """Try, judge and publish the contract.

    These commands work on files: they need no stack and no AWS settings. What check and publish need beside the
    other commands is installed by: pip install '.[contract]'
    """


_schemas = click.option(
    "--schemas",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("schemas"),
    metavar="FOLDER",
    help="Folder with v1, v2 … and published; else schemas, in the folder you are in.",
)


@contract.command(name="check")
@_schemas
@with_json
def check_contract(folder: Path, as_json: bool) -> None:
    """Tell whether the schemas may be published as they are.

    Each major version is judged against every published version of it, by rules on the schemas and by generated
    events: what a published version allows has to stay allowed, and what is allowed now its consumers have to be able
    to read. The exit code is 1 when a change breaks that, or VERSION does not fit the change.
    """
    checking, telling = _loaded()
    found = checking.check(folder)
    _print(telling.plain(found), telling.told(found), as_json)
    click.get_current_context().exit(0 if found.allowed else _BREAKS)


@contract.command(name="publish")
@_schemas
@with_json
def publish_contract(folder: Path, as_json: bool) -> None:
    """Keep the schemas as a published version, if they may be.

    They are copied to a folder published/VERSION, which then stays as it is. It is refused, with exit code 1, where
    'meq contract check' finds something.
    """
    checking, telling = _loaded()
    found = checking.check(folder)
    changed = [one for one in found.majors if one.kind != checking.NONE] if found.allowed else []
    new = [publish(one.folder, checking.version_of(one.version)) for one in changed]
    lines = [f"Published {safe(str(path))}." for path in new] or ["Nothing new to publish."]
    _print(telling.plain(found, new), lines if found.allowed else telling.told(found), as_json)
    click.get_current_context().exit(0 if found.allowed else _BREAKS)


@contract.command(name="try")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--schemas",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Folder with v1, v2 …; else the contract that this program came with.",
)
@with_json
def try_items(file: Path, folder: Path | None, as_json: bool) -> None:
    """Tell whether items of the producer pass the contract.

    FILE holds an item with DynamoDB's types, a record of the stream, or several of them. Of each is shown the
    message that a client gets, or the rules that it breaks. What is larger than 96 KiB may be too large for a batch,
    if many clients have registered. The exit code is 1 when one breaks any rule.
    """
    found = trying.try_items(file, folder)
    show(found, as_json)
    click.get_current_context().exit(0 if all(one.valid for one in found) else _BREAKS)


def _loaded() -> tuple[ModuleType, ModuleType]:
    """Return the modules that check and tell, which need what not everybody has installed."""
    try:
        from meq.contract import checking, telling  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise OperatorError(f"{error.name} is not installed: pip install '.[contract]'") from error
    return checking, telling


def _print(data: Any, lines: list[str], as_json: bool) -> None:
    click.echo(json.dumps(data, indent=2) if as_json else "\n".join(lines))
