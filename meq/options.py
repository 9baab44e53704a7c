"""The options of every command: which stack, where, as whom; given before the command or behind it."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import boto3
import botocore.session
import click
from botocore.exceptions import ProfileNotFound

from mark_event_queue.domain.held import GATE
from meq.clients import no_gate
from meq.errors import OperatorError
from meq.stack import Stack
from meq.text import listed, near, safe

_STACK = "mark-event-queue"
_OPTIONS = {
    "--stack": f"Name of the stack; else what MEQ_STACK says; else {_STACK}.",
    "--region": "Region of the stack; else what AWS_REGION says; else that of the profile.",
    "--profile": "Profile of your AWS settings; else what AWS_PROFILE says.",
}

_Command = Callable[..., Any]


def common(command: _Command) -> _Command:
    """Accept --stack, --region and --profile."""
    for name, text in reversed(_OPTIONS.items()):
        option = click.option(name, metavar="NAME", help=text, callback=_keep, expose_value=False)
        command = option(command)
    return command


def of_a_stack(command: _Command) -> _Command:
    """Accept the common options, and hand the command the stack that they name.

    Whoever runs the commands from Python may give them an `obj` with `clients`, which makes clients of services.
    """

    @wraps(command)
    def with_stack(**options: Any) -> Any:
        return command(_stack(click.get_current_context().ensure_object(dict)), **options)

    return common(with_stack)


def of_a_recipient(command: _Command) -> _Command:
    """Accept --client or --gate, and hand the command the recipient that they name, or None."""

    @wraps(command)
    def with_recipient(client: str | None, gate: bool, **options: Any) -> Any:
        if client and gate:
            raise click.UsageError("Say either --client or --gate.")
        return command(recipient=GATE if gate else client and no_gate(client), **options)

    gate = click.option("--gate", is_flag=True, help="What is held at the gate, for everybody.")
    return click.option("--client", metavar="CLIENT", help="What is held for this client.")(gate(with_recipient))


def with_json(command: _Command) -> _Command:
    """Accept --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    """Keep what was given where the command finds it: what stands behind the command comes last, and counts."""
    if value is not None:
        context.ensure_object(dict)[option.name] = value


def _stack(given: dict[str, Any]) -> Stack:
    region = given.get("region") or os.environ.get("AWS_REGION")  # which boto3 does not read of its own
    try:
        # The default session, since the adapters that meq shares with the functions make their clients of it.
        boto3.setup_default_session(profile_name=given.get("profile"), region_name=region)
    except ProfileNotFound as error:
        name, names = str(error.kwargs["profile"]), botocore.session.Session().available_profiles
        raise OperatorError(
            f"There is no profile {safe(name)}.{near(name, names)} There are: {listed(names)}.\n"
            "Choose by --profile or AWS_PROFILE."
        ) from error
    return Stack(given.get("stack") or os.environ.get("MEQ_STACK") or _STACK, given.get("clients"))
