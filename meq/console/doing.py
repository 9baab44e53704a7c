"""What the console does for its reader: by the functions of the commands, each after a dry run and a confirmation."""

import secrets
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from mark_event_queue.domain.held import GATE
from meq import clients, history, pausing, redrive
from meq.errors import KNOWN, OperatorError, explain
from meq.held import HeldEvents
from meq.history import WouldBring
from meq.redrive import Redriven, WouldRedrive
from meq.stack import Stack
from meq.table import Violation
from meq.text import many, quoted, safe

REDRIVE, RELEASE, DISCARD, PAUSE, RESUME, HISTORY = "redrive", "release", "discard", "pause", "resume", "history"
VERBS = (REDRIVE, RELEASE, DISCARD, PAUSE, RESUME, HISTORY)

_MOST_KEPT = 100
_MOST_SHOWN = 100  # a dry run tells of as many sequences
_FRESH_SECONDS = 300


@dataclass(frozen=True)
class Wanted:
    """What somebody wants done, as a form says it.

    Raises:
        OperatorError: something is missing, or does not fit.
    """

    verb: str
    recipient: str
    mark: str | None = None
    everything: bool = False
    reason: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        if self.verb not in VERBS:
            raise OperatorError(f"The console cannot {safe(self.verb)}.")
        if not self.recipient:
            raise OperatorError("Say for whom: a client, or the gate.")
        if self.verb == RELEASE and self.recipient != GATE:
            raise OperatorError("A release is of what is held at the gate. For a client: redrive.")
        if self.verb not in (RELEASE, DISCARD):
            clients.no_gate(self.recipient)
        if self.verb in (DISCARD, PAUSE) and not (self.reason and self.by):
            raise OperatorError("Say why, and who you are: both stay on record.")
        if not (self.reason + self.by).isprintable():
            raise OperatorError("Reason and name are one line each, without control characters.")
        if self.verb == DISCARD and not (self.mark or self.everything):
            raise OperatorError("Say of which mark the first event is to be given up, or all.")

    def asked(self, dry_run: bool = False, event_id: str = "") -> redrive.Asked:
        """Return what is asked of the redrive machine; of a discard of one event, which one."""
        discard = self.verb == DISCARD
        return redrive.Asked(
            self.recipient, self.mark, discard, self.everything, self.reason, self.by, dry_run, event_id
        )

    def command(self, options: Sequence[str] = ()) -> str:
        """Return the command that does the same, for a shell."""
        words = ["meq", self.verb]
        words += ["--gate"] if self.verb == DISCARD and self.recipient == GATE else []
        words += [shlex.quote(self.recipient)] if self.recipient != GATE else []
        if self.mark is not None:
            words += [quoted(self.mark)] if self.verb == DISCARD else ["--mark", quoted(self.mark)]
        words += ["--all"] if self.everything else []
        if self.verb in (DISCARD, PAUSE):
            words += [f"--reason={shlex.quote(self.reason)}", f"--by={shlex.quote(self.by)}"]
        return " ".join([*words, *map(shlex.quote, options)])


@dataclass
class Errand:
    """Something under way: what was wanted, what is told of it, and what came of it, or why it could not be done."""

    wanted: Wanted
    is_dry_run: bool
    key: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    said: str = "starting"
    outcome: Any = None
    problem: str = ""
    execution_arn: str = ""
    ended: bool = False
    ended_at: float = 0.0
    first_event: str = ""
    """Of a discard of one event: which one it was when it was tried out."""
    held: int = 0
    """How many events were held of what is wanted when it was tried out."""
    rules: dict[str, list[Violation]] = field(default_factory=dict)
    """Of the gate, by mark: the rules that its first event broke when it was tried out."""
    followed_by: "Errand | None" = None
    """What was done after this dry run had been confirmed."""

    @property
    def can_be_confirmed(self) -> bool:
        """Whether it is a dry run that told what would come of it."""
        return self.is_dry_run and self.ended and isinstance(self.outcome, (WouldRedrive, WouldBring, str))

    def tell(self, text: str) -> None:
        """Note how far it is."""
        self.said = text

    def at_this_moment(self) -> "Errand":
        """Return a copy that stays as it is: if it has ended, with all that came of it."""
        ended = self.ended  # which is noted last
        return replace(self, ended=ended)


class Errands:
    """What is, or was, under way for readers of this console; each in a thread, which waits as a command does."""

    def __init__(self, stack: Stack, options: Sequence[str] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._stack, self._options, self._clock = stack, list(options), clock
        self._by_key: dict[str, Errand] = {}
        self._starting = threading.Lock()

    @property
    def _table(self) -> HeldEvents:
        return HeldEvents(self._stack)

    def command(self, wanted: Wanted) -> str:
        """Return the command that does what is wanted, on the same stack."""
        return wanted.command(self._options)

    def find(self, key: str) -> Errand:
        """Return an errand.

        Raises:
            OperatorError: there is none of this key; it is from another run of the console, or long ago.
        """
        if key not in self._by_key:
            raise OperatorError(
                "This console knows nothing of that any more. What has been started goes on: executions."
            )
        return self._by_key[key]

    def all(self) -> list[Errand]:
        """Return what was done, the latest first; dry runs are left out."""
        return [one for one in reversed(list(self._by_key.values())) if not one.is_dry_run]

    def under_way(self) -> list[Errand]:
        """Return what has not ended."""
        return [one for one in self.all() if not one.ended]

    def is_too_old(self, tried: Errand) -> bool:
        """Tell whether a dry run may not be confirmed any more: what is to be given up has to have been seen lately."""
        return tried.wanted.verb == DISCARD and tried.ended and self._clock() - tried.ended_at > _FRESH_SECONDS

    def try_out(self, wanted: Wanted) -> Errand:
        """Start finding out what would come of it."""
        how = {PAUSE: self._foretold, RESUME: self._foretold, HISTORY: self._brought}.get(wanted.verb, self._tried)
        return self._begin(Errand(wanted, is_dry_run=True), how)

    def confirm(self, tried: Errand) -> Errand:
        """Start what was tried out, once, however often it is confirmed.

        Raises:
            OperatorError: nobody has seen what would come of it, or too long ago.
        """
        if not tried.can_be_confirmed:
            raise OperatorError("There is no dry run that told what would come of this. Begin anew.")
        with self._starting:
            if tried.followed_by is None:
                if self.is_too_old(tried):
                    raise OperatorError("This dry run is too old for a discard. Begin anew, and see what is held now.")
                verb = tried.wanted.verb
                how = {PAUSE: self._paused, RESUME: self._resumed, HISTORY: self._brought}.get(verb, self._done)
                confirmed = Errand(tried.wanted, is_dry_run=False, first_event=tried.first_event, held=tried.held)
                tried.followed_by = self._begin(confirmed, how)
        return tried.followed_by

    def _begin(self, errand: Errand, how: Callable[[Errand], Any]) -> Errand:
        def run() -> None:
            try:
                errand.outcome = how(errand)
            except KNOWN as error:
                errand.problem = explain(error)
            except Exception:
                errand.problem = "The console failed at it; its terminal says more. What has been started goes on."
                raise
            finally:
                errand.ended_at = self._clock()
                errand.ended = True

        self._by_key[errand.key] = errand
        for old in list(self._by_key)[:-_MOST_KEPT]:
            if (kept := self._by_key.get(old)) and kept.ended:
                self._by_key.pop(old, None)
        threading.Thread(target=run, daemon=True, name=errand.wanted.verb).start()
        return errand

    def _tried(self, errand: Errand) -> Redriven | WouldRedrive:
        wanted = errand.wanted
        redrive.check(self._stack, wanted.asked(dry_run=True))
        errand.first_event, errand.held = self._first_event(wanted), self._table.left(wanted.recipient, wanted.mark)
        outcome = self._wait(errand, wanted.asked(dry_run=True, event_id=errand.first_event))
        if wanted.recipient == GATE:
            shown = islice(self._table.all(GATE, wanted.mark), _MOST_SHOWN)
            errand.rules = {one.mark: one.violations for one in shown}
        return outcome

    def _done(self, errand: Errand) -> Redriven | WouldRedrive:
        wanted = errand.wanted
        redrive.check(self._stack, wanted.asked())
        if self._first_event(wanted) != errand.first_event:
            raise OperatorError("The first event held of this mark is another one by now. Nothing is done: begin anew.")
        if wanted.everything and self._table.left(wanted.recipient, wanted.mark) > errand.held:
            raise OperatorError("More is held by now than the dry run told of. Nothing is done: begin anew.")
        return self._wait(errand, wanted.asked(event_id=errand.first_event))

    def _first_event(self, wanted: Wanted) -> str:
        """Return which event a discard of one event gives up."""
        if wanted.verb != DISCARD or wanted.everything or wanted.mark is None:
            return ""
        return self._table.event(wanted.recipient, wanted.mark).event_id

    def _wait(self, errand: Errand, asked: redrive.Asked) -> Redriven | WouldRedrive:
        errand.execution_arn = redrive.start(self._stack, asked)
        return redrive.wait(self._stack, asked, errand.execution_arn, errand.tell)

    def _foretold(self, errand: Errand) -> str:
        """Return what a pause or the end of one would do."""
        client = errand.wanted.recipient
        found = {one.name: one for one in clients.registrations(self._stack)}
        clients.demand_known(client, found.keys())
        left = many(self._table.left(client), "event")
        paused = found[client].paused
        if paused == (errand.wanted.verb == PAUSE):
            raise OperatorError(f"{safe(client)} is {'paused already' if paused else 'not paused'}.")
        if paused:
            return f"Live events go to {safe(client)} again. Of each mark what is held goes before them: {left} now."
        return f"From within a minute on everything is held for {safe(client)}, in order. Held now: {left}."

    def _paused(self, errand: Errand) -> pausing.Paused:
        wanted = errand.wanted
        return pausing.pause(self._stack, wanted.recipient, wanted.reason, wanted.by)

    def _resumed(self, errand: Errand) -> pausing.Resumed:
        pausing.resume(self._stack, errand.wanted.recipient)
        return pausing.let_go(self._stack, errand.wanted.recipient, errand.tell)

    def _brought(self, errand: Errand) -> history.Brought | WouldBring:
        """Begin a client's history or go on with it; of a dry run return how much it would be."""
        client = errand.wanted.recipient
        clients.demand_known(client, {one.name for one in clients.registrations(self._stack)})
        asked = history.Asked(client, dry_run=errand.is_dry_run)
        errand.execution_arn = history.start(self._stack, asked)
        return history.wait(self._stack, asked, errand.execution_arn, errand.tell)


def goes_on(errand: Errand) -> str:
    """Return what to say of what goes on without the console."""
    if errand.wanted.verb == HISTORY and errand.execution_arn:
        return history.goes_on(errand.wanted.recipient, errand.execution_arn)
    if errand.execution_arn:
        return redrive.goes_on(errand.execution_arn)
    whose = safe(errand.wanted.recipient)
    return f"Not ended: {errand.wanted.verb} for {whose}. What is still held for it: meq held; meq redrive {whose}"
