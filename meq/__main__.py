"""The command line: what each command of `meq` takes. What they do is in the modules that they call."""

import getpass
import io
import os
import sys
from typing import Any

import click

from meq import clients, redrive, release, replay, status
from meq.errors import KNOWN, NothingHeldError, OperatorError, explain
from meq.held import HeldEvents
from meq.options import common, of_a_stack, with_json
from meq.output import show
from meq.progress import Progress
from meq.stack import Stack
from meq.text import unquoted

_SOMETHING_STAYS, _COULD_NOT = 1, 2


class _Failure(click.ClickException):
    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class _Commands(click.Group):
    """Commands whose known errors are told in a line or two."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KNOWN as error:
            code = _SOMETHING_STAYS if isinstance(error, NothingHeldError) else _COULD_NOT
            raise _Failure(explain(error), code) from error


class _Mark(click.ParamType):
    name = "mark"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return unquoted(value) or self.fail("a mark is not empty", param, ctx)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The exit code is 0 when all was done, 1 when something stays, 2 when it could not be done. "
    "'meq COMMAND --help' tells more of a command.",
)
@click.version_option(package_name="mark-event-queue", prog_name="meq")
@common
@click.pass_context
def commands(context: click.Context) -> None:
    """See what waits in a stack of mark-event-queue, and bring it back.

    Events that a client's queue does not accept are held for that client, with all later events of the same mark
    (the registration number that an event is about), so that their order stays. They wait for a redrive.

    Every command works on the stack that --stack, --region and --profile name, before the command or behind it.
    """
    context.color = False if os.environ.get("NO_COLOR") else None


@commands.command()
@click.option("--client", metavar="CLIENT", help="Only what is held for this client.")
@click.option("--mark", type=_Mark(), help="Only what is held of this mark.")
@with_json
@of_a_stack
def held(stack: Stack, client: str | None, mark: str | None, as_json: bool) -> None:
    """List what is held: for whom, since when and why.

    No names, addresses or other contents of events are shown. A mark is printed so that it can be pasted behind
    --mark; one with characters that cannot be shown is printed as a JSON string, in quotes.
    """
    table = HeldEvents(stack)
    found = list(table.all(client, mark))
    if client and not found:
        registered = {one.name for one in clients.registrations(stack)}
        clients.demand_known(client, registered | set(table.recipients()))
    show(found, as_json)


@commands.command(name="clients")
@with_json
@of_a_stack
def list_clients(stack: Stack, as_json: bool) -> None:
    """List the registered clients, and why one gets nothing."""
    show(clients.registrations(stack), as_json)


@commands.command(name="status")
@with_json
@of_a_stack
def tell_status(stack: Stack, as_json: bool) -> None:
    """Count what is held, what waits for a replay, and the clients."""
    show(status.status(stack), as_json)


@commands.command(name="redrive")
@click.argument("client")
@click.option("--mark", type=_Mark(), help="Only the events of this mark.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would do.")
@with_json
@of_a_stack
def start_redrive(stack: Stack, client: str, mark: str | None, dry_run: bool, as_json: bool) -> None:
    """Deliver what is held for CLIENT, in order.

    Live events may keep arriving meanwhile. What the client's queue still refuses stays held, with what follows it.
    Ctrl-C ends the wait, not the redrive.
    """
    _redrive(stack, redrive.Asked(client, mark, dry_run=dry_run), as_json)


@commands.command()
@click.argument("client")
@click.argument("mark", type=_Mark(), required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option("--by", metavar="NAME", help="Who gives it up, for the record; else the user of this machine.")
@click.option("--all", "everything", is_flag=True, help="All that is held of MARK; without a MARK, of CLIENT.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would do.")
@with_json
@of_a_stack
def discard(stack: Stack, client: str, mark: str | None, as_json: bool, **asked: Any) -> None:
    """Give up the first event held of MARK for CLIENT, on record.

    CLIENT never gets what is given up; what follows it is delivered. Who gave up which event, why and when stays on
    record; the event itself stays in the producer's table.
    """
    if not (mark or asked["everything"]):
        raise click.UsageError("Say of which MARK the first event is to be given up, or --all.")
    asked["by"] = asked["by"] or _user()
    _redrive(stack, redrive.Asked(client, mark, discard=True, **asked), as_json)


@commands.command(name="release")
@with_json
@of_a_stack
def start_release(stack: Stack, as_json: bool) -> None:
    """Deliver quarantined events that the contract allows by now.

    What still breaks the contract stays in quarantine, with all later quarantined events of its mark.
    """
    with Progress(sys.stderr) as tell:
        outcome = release.release(stack, tell)
    if outcome.interrupted:
        click.echo("Interrupted. What is not told of as released stays in quarantine: run meq release again.", err=True)
    show(outcome, as_json)
    _end(outcome.done)


@commands.command(name="replay")
@with_json
@of_a_stack
def start_replay(stack: Stack, as_json: bool) -> None:
    """Deliver the records that the stream gave up.

    After 22 hours the stream writes them to a bucket. They are delivered from there, the oldest first. Objects of the
    bucket that hold no such records are named, left where they are, and passed over. An object whose records cannot
    be delivered ends the replay, since later ones must not overtake it.
    """
    with Progress(sys.stderr) as tell:
        outcome = replay.replay(stack, tell)
    if outcome.interrupted:
        click.echo(
            "Interrupted. An object that is half delivered stays, and goes again, whole: run meq replay again.\n"
            "Clients' queues drop repeats within five minutes; later ones clients drop by eventId.",
            err=True,
        )
    show(outcome, as_json)
    _end(outcome.done)


def _redrive(stack: Stack, asked: redrive.Asked, as_json: bool) -> None:
    redrive.check(stack, asked)
    execution_arn = redrive.start(stack, asked)
    goes_on = (
        f"It goes on in Step Functions: {execution_arn}\n"
        f"Look at it: aws stepfunctions describe-execution --execution-arn {execution_arn}\n"
        f"Stop it: aws stepfunctions stop-execution --execution-arn {execution_arn}"
    )
    try:
        with Progress(sys.stderr) as tell:
            outcome = redrive.wait(stack, asked, execution_arn, tell)
    except KNOWN as error:
        raise OperatorError(f"{explain(error)}\n{goes_on}") from error
    if outcome.status == redrive.RUNNING:
        click.echo(f"Interrupted. {goes_on}", err=True)
    show(outcome, as_json)
    _end(outcome.done)


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without an entry in the password file
        raise click.UsageError("This machine does not know your name: say who gives it up by --by NAME.") from None


def _end(done: bool) -> None:
    click.get_current_context().exit(0 if done else _SOMETHING_STAYS)


def main() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a mark that the terminal's encoding has no letters for
    commands(prog_name="meq")


if __name__ == "__main__":
    main()
