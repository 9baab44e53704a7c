"""The command line: `python -m operate parked|redrive|discard|release|replay`."""

import argparse
import getpass
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from mark_event_queue.domain.errors import MarkEventQueueError
from meq import parked, redrive, release, replay
from meq.stack import Stack


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0 if it did all it was to do."""
    chosen = _parser().parse_args(arguments)
    try:
        lines, done = chosen.run(Stack(chosen.stack), chosen)
    except (MarkEventQueueError, BotoCoreError, ClientError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0 if done else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m operate", description=__doc__)
    parser.add_argument("--stack", default="mark-event-queue", help="name of the stack (%(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    show = commands.add_parser("parked", help="what is parked, for whom, since when and why; what is quarantined")
    show.set_defaults(run=lambda stack, _: (parked.report(stack), True))

    bring = commands.add_parser("redrive", help="deliver what is parked for a client, in order")
    bring.add_argument("client")
    bring.add_argument("--mark", help="only the events of this mark")
    bring.add_argument("--dry-run", action="store_true", help="only say what it would do")
    bring.set_defaults(run=lambda stack, chosen: _redrive(stack, chosen, "redrive", dryRun=chosen.dry_run))

    drop = commands.add_parser("discard", help="give up the first parked event of a mark, then redrive what follows")
    drop.add_argument("client")
    drop.add_argument("mark", nargs="?", help="whose first event; may be left out with --all: all of the client")
    drop.add_argument("--reason", required=True, help="why, for the record")
    drop.add_argument("--by", default=getpass.getuser(), help="who, for the record (%(default)s)")
    drop.add_argument("--all", action="store_true", help="give up all that is parked of the mark")
    drop.set_defaults(
        run=lambda stack, chosen: _redrive(stack, chosen, "discard", by=chosen.by, reason=chosen.reason, all=chosen.all)
    )

    free = commands.add_parser("release", help="put quarantined events that are valid now through the pipeline")
    free.set_defaults(run=lambda stack, _: release.release(stack))

    again = commands.add_parser("replay", help="deliver the records that the stream had to give up")
    again.set_defaults(run=lambda stack, _: replay.replay(stack))
    return parser


def _redrive(stack: Stack, chosen: argparse.Namespace, action: str, **more: object) -> redrive.Outcome:
    mark = {"mark": chosen.mark} if chosen.mark else {}
    return redrive.wait(stack, redrive.start(stack, {"client": chosen.client, "action": action} | mark | more))


if __name__ == "__main__":
    sys.exit(main())
