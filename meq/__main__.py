"""The command line: what each command of `meq` takes. What they do is in the modules that they call."""

import getpass
import io
import os
import sys
from typing import Any

import click

from mark_event_queue.domain.held import GATE
from meq import clients, explaining, history, pausing, redrive, replay, status
from meq.console.command import console
from meq.contract.commands import contract
from meq.errors import KNOWN, NothingHeldError, explain
from meq.executions import RUNNING
from meq.held import HeldEvents
from meq.histories import Histories
from meq.options import common, of_a_recipient, of_a_stack, with_json
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
    (the registration number that an event is about), so that their order stays. They wait for a redrive. Events that
    break the contract are held at the gate, for everybody, in the same way. They wait for a release.

    Every command works on the stack that --stack, --region and --profile name, before the command or behind it.
    """
    context.color = False if os.environ.get("NO_COLOR") else None


@commands.command()
@of_a_recipient
@click.option("--mark", type=_Mark(), help="Only what is held of this mark.")
@with_json
@of_a_stack
def held(stack: Stack, recipient: str | None, mark: str | None, as_json: bool) -> None:
    """List what is held: for whom, since when and why.

    No names, addresses or other contents of events are shown. A mark is printed so that it can be pasted behind
    --mark; one with characters that cannot be shown is printed as a JSON string, in quotes.
    """
    found = list(HeldEvents(stack).all(recipient, mark))
    if recipient and not found:
        _demand_known(stack, recipient)
    show(found, as_json)


@commands.command(name="show")
@click.argument("event_id", required=False)
@of_a_recipient
@click.option("--mark", type=_Mark(), required=True, help="Of which mark.")
@click.option("--body", is_flag=True, help="Also what the event holds: personal data.")
@with_json
@of_a_stack
def show_event(stack: Stack, recipient: str | None, as_json: bool, **which: Any) -> None:
    """Show one held event: the first of a mark, or EVENT_ID.

    Its ids and times, the rules that it breaks, and why its mark is held. What the event holds is shown with --body
    only.
    """
    if not recipient:
        raise click.UsageError("Say where it is held: --gate, or --client CLIENT.")
    try:
        found = HeldEvents(stack).event(recipient, **which)
    except NothingHeldError:
        _demand_known(stack, recipient)
        raise
    if which["body"]:
        click.echo("The body is personal data: names, addresses, telephone numbers. Keep no copy of it.", err=True)
    show(found, as_json)


@commands.command(name="clients")
@with_json
@of_a_stack
def list_clients(stack: Stack, as_json: bool) -> None:
    """List the registered clients.

    What each asked for, how far its history is, and why one gets nothing.
    """
    show(clients.with_histories(stack, clients.registrations(stack)), as_json)


@commands.command(name="pause")
@click.argument("client")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for whoever looks at the registration.")
@click.option("--by", metavar="NAME", help="Who pauses it; else the user of this machine.")
@with_json
@of_a_stack
def pause_client(stack: Stack, client: str, reason: str, by: str | None, as_json: bool) -> None:
    """Hold everything for CLIENT until it is resumed.

    The order of each mark stays. It takes up to a minute until every function knows. Nobody else notices. While
    CLIENT is paused no redrive sends
    it anything.
    """
    show(pausing.pause(stack, clients.no_gate(client), reason, by or _user()), as_json)


@commands.command(name="resume")
@click.argument("client")
@click.option("--no-wait", is_flag=True, help="Only end the pause: a rule on AWS has the rest delivered.")
@with_json
@of_a_stack
def resume_client(stack: Stack, client: str, no_wait: bool, as_json: bool) -> None:
    """Let events go to CLIENT again.

    What was held for it meanwhile is delivered, in order, while live events keep arriving. Ctrl-C ends the
    wait, not what has been started.
    """
    pausing.resume(stack, clients.no_gate(client))
    if no_wait:
        return
    with Progress(sys.stderr) as tell:
        outcome = pausing.let_go(stack, client, tell)
    if outcome.interrupted:
        click.echo(f"Interrupted. What is still held: meq held --client {client}; meq redrive {client}", err=True)
    show(outcome, as_json)
    _end(outcome.done)


@commands.command(name="history")
@click.argument("client")
@click.option("--mark", type=_Mark(), help="Only this mark, once more.")
@click.option("--again", is_flag=True, help="All of it once more, as after the loss of the client's own store.")
@click.option("--stop", is_flag=True, help="Stop it; started again it goes on where it is.")
@click.option("--dry-run", is_flag=True, help="Only tell how much it would be.")
@click.option("--passed", is_flag=True, help="List the events that it passed over, since they break the contract.")
@click.option("--rate", type=click.IntRange(1, 10_000), metavar="N", help="At most so many events a second; else 500.")
@click.option("--segments", type=click.IntRange(1, 40), metavar="N", help="Parts read side by side; else 8.")
@click.option(
    "--settle", type=click.IntRange(0, 3_600), metavar="SECONDS", help="For --again and --mark: the wait; else 240."
)
@with_json
@of_a_stack
def bring_history(stack: Stack, client: str, passed: bool, as_json: bool, **asked: Any) -> None:
    """Bring CLIENT the events of the time before.

    What was held for it meanwhile follows. Its registration says from when on: "from": "beginning", or an
    instant. On AWS the history starts by itself when
    such a registration appears. Live events are held for CLIENT until it is over. Ctrl-C ends the wait, not the
    history.
    """
    clients.demand_known(clients.no_gate(client), {one.name for one in clients.registrations(stack)})
    if passed:
        show(list(Histories(stack).passed(client)), as_json)
        return
    of = history.Asked(client, **asked)
    execution_arn = history.start(stack, of)
    with Progress(sys.stderr) as tell:
        outcome = history.wait(stack, of, execution_arn, tell)
    if isinstance(outcome, history.Brought) and outcome.status == RUNNING:
        click.echo(f"Interrupted. {history.goes_on(client, execution_arn)}", err=True)
    show(outcome, as_json)
    _end(outcome.done)


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
    _redrive(stack, redrive.Asked(clients.no_gate(client), mark, dry_run=dry_run), as_json)


@commands.command()
@click.argument("client", required=False)
@click.argument("mark", type=_Mark(), required=False)
@click.option("--gate", is_flag=True, help="Of what is held at the gate; then there is no CLIENT.")
@click.option("--reason", required=True, metavar="TEXT", help="Why, for the record.")
@click.option("--by", metavar="NAME", help="Who gives it up, for the record; else the user of this machine.")
@click.option("--all", "everything", is_flag=True, help="All that is held of MARK; without a MARK, all there.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would do.")
@with_json
@of_a_stack
def discard(stack: Stack, client: str | None, gate: bool, as_json: bool, **asked: Any) -> None:
    """Give up the first event held of MARK for CLIENT, on record.

    CLIENT never gets what is given up, and with --gate nobody does: meq discard --gate MARK. What follows it is
    delivered. Who gave up which event, why and when stays on record; the event itself stays in the producer's table.
    """
    recipient = GATE if gate else client and clients.no_gate(client)
    if not recipient:
        raise click.UsageError("Say whose event is to be given up: CLIENT, or --gate.")
    if gate and asked["mark"]:
        raise click.UsageError("Say either CLIENT MARK, or --gate MARK.")
    if gate and client is not None:
        asked["mark"] = _Mark().convert(client, None, click.get_current_context())
    if not (asked["mark"] or asked["everything"]):
        raise click.UsageError("Say of which MARK the first event is to be given up, or --all.")
    asked["by"] = asked["by"] or _user()
    _redrive(stack, redrive.Asked(recipient, discard=True, **asked), as_json)


@commands.command(name="release")
@click.option("--mark", type=_Mark(), help="Only the events of this mark.")
@click.option("--dry-run", is_flag=True, help="Only tell what it would take.")
@with_json
@of_a_stack
def start_release(stack: Stack, mark: str | None, dry_run: bool, as_json: bool) -> None:
    """Deliver what is held at the gate, as far as the contract allows.

    The deployed contract judges each event anew. Live events may keep arriving meanwhile. Of a mark with an event
    that still breaks the contract, that event stays held, and all behind it. Ctrl-C ends the wait, not the release.
    """
    _redrive(stack, redrive.Asked(GATE, mark, dry_run=dry_run), as_json)


@commands.command(name="replay")
@with_json
@of_a_stack
def start_replay(stack: Stack, as_json: bool) -> None:
    """Deliver the records that the stream gave up.

    After 22 hours the stream writes them to a bucket. They are delivered from there, in the order of the stream. Those
    whose mark has later events that were delivered meanwhile are late: they are told of, and tell their clients.
    Objects of the bucket that hold no such records are named, left where they are, and passed over. An object whose
    records cannot be delivered ends the replay, since later ones must not overtake it.
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


@commands.command(name="explain")
@click.argument("client")
@click.argument("event_id", required=False)
@click.option("--mark", type=_Mark(), help="Of which mark the event is; without EVENT_ID every event of it.")
@with_json
@of_a_stack
def explain_event(stack: Stack, client: str, event_id: str | None, mark: str | None, as_json: bool) -> None:
    """Say why CLIENT got an event, or did not.

    Delivered by all that is known, held, quarantined, given up, passed over by history, filtered, before its time, or
    never seen. Nothing of what the event holds is shown. Without --mark the whole of the producer's table is searched.
    """
    if not (event_id or mark):
        raise click.UsageError("Say which event: EVENT_ID, or --mark MARK, or both.")
    with Progress(sys.stderr) as tell:
        found = explaining.explain(stack, clients.no_gate(client), event_id, mark, tell)
    show(found, as_json)


def _redrive(stack: Stack, asked: redrive.Asked, as_json: bool) -> None:
    redrive.check(stack, asked)
    execution_arn = redrive.start(stack, asked)
    with Progress(sys.stderr) as tell:
        outcome = redrive.wait(stack, asked, execution_arn, tell)
    if isinstance(outcome, redrive.Redriven) and outcome.status == RUNNING:
        click.echo(f"Interrupted. {redrive.goes_on(outcome.execution_arn)}", err=True)
    show(outcome, as_json)
    _end(outcome.done)


def _demand_known(stack: Stack, recipient: str) -> None:
    if recipient != GATE:
        registered = {one.name for one in clients.registrations(stack)}
        clients.demand_known(recipient, registered | set(HeldEvents(stack).recipients()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without an entry in the password file
        raise click.UsageError("This machine does not know your name: say who gives it up by --by NAME.") from None


def _end(done: bool) -> None:
    click.get_current_context().exit(0 if done else _SOMETHING_STAYS)


commands.add_command(console)
commands.add_command(contract)


def main() -> None:
    """Run the command that the arguments name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a mark that the terminal's encoding has no letters for
    commands(prog_name="meq")


if __name__ == "__main__":
    main()
