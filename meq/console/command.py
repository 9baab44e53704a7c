"""The command `meq console`: which page is served where, and what it says of itself."""

import sys
from typing import Any

import click

from meq.errors import OperatorError
from meq.options import of_a_stack
from meq.stack import Stack


def _tell(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()  # whoever reads it through a pipe waits for the address


@click.command(name="console")
@click.option("--port", type=click.IntRange(1, 65_535), metavar="N", help="Where it listens; else a free port.")
@click.option("--read-only", is_flag=True, help="Show all, do nothing.")
@of_a_stack
def console(stack: Stack, port: int | None, read_only: bool) -> None:
    """Serve a page that shows all this, and does it.

    It listens on this machine alone, until Ctrl-C. Open the address that it prints: the token in it is the key, for
    whoever has it may do what you may. Redrives and the like that were started there go on after Ctrl-C.
    """
    try:
        from meq.console.serving import serve  # noqa: PLC0415 - Flask is not installed for the other commands
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("flask", "jinja2", "markupsafe", "werkzeug"):
            raise
        raise OperatorError(
            f"The console needs {missing}, which is not installed.\n"
            "Install it: pip install '.[console]' in a clone, or make install."
        ) from None
    given: dict[str, Any] = click.get_current_context().ensure_object(dict)
    options = [word for name in ("stack", "region", "profile") if name in given for word in (f"--{name}", given[name])]
    serve(stack, options, port or 0, read_only, _tell)
