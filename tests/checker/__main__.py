"""The exhaustive checker of the order: all interleavings of small scopes, by the real functions.

What runs is the application's own code: validation, gate, selection, parking, redrive, release and discard, over the
real adapter of the table. Around it are a table in memory with DynamoDB's semantics (tests/dynamodb_in_memory.py),
FIFO queues that drop repeats for five minutes, and a driver that calls the functions in the order of the two
definitions (processes.py). A scope (scopes.py) is a small world: some batches of the stream, of which the next
begins when the one before has succeeded, at times beside those of another track; redrives, releases and discards beside
them; and how often what may go wrong:

- a fault: a client's queue does not take a wave, or some of it; or it does, and the answer is lost;
- a crash: an invocation dies behind any of its calls, done or not; it is invoked again, or its execution dies, and the
  stream brings the batch again, or the redrive is stopped;
- a lost answer: the converter starts a batch again while the first execution of it goes on beside all that follows;
- a mend: from some moment on the contract lets more events pass;
- five minutes that pass, where no invocation is under way. (Each lasts less: that is what the redrive builds on.)

Every call to the table, a queue or the contract is a step, and after every step anybody may be next. Checked in every
state: no client gets an event before an earlier one of its mark that comes later; every sequence's own item says how
many events it has, and none is without one. Checked in every end, as it is and after all that can move has moved: no
sequence is out of sight, none stays for ever, every event is delivered or on record as given up.

How: a process is its stage, its data and the answers it has had, so it is a value, and run anew up to its next call
(replay.py). States that are the same are visited once (search.py), nearest first: a history that breaks a promise is a
shortest one. Two kinds of step go at once, since nobody sees them and they see nobody: a look at a contract that no
longer changes, and the estimate of a recipient's events.

What it cannot say. The scopes are small: one mark mostly, three events, at most three processes and their orphans, one
or two faults and crashes each; the depth raises those. A query of several items is taken for one moment, which DynamoDB
does not promise. The deadlines, more than one invocation per lane of a redrive, and a third mark are not in it. What
is given up while a redrive has it in hand may reach the client late: that is left out of the order on purpose.
`RejectedEvents=PassMark`, which gives the order up, is not in it either.

    python -m tests.checker [--depth N] [--only TEXT] [--mutants]

Depth 1 is what `make test` does, 2 goes through larger scopes as well, and each more gives every scope one more of what
may go wrong in it.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from tests.checker.mutants import MUTANTS
from tests.checker.scopes import DEEP, QUICK
from tests.checker.search import Found, Scope, Search

_WIDEST = max(len(scope.name) for scope in [*QUICK, *DEEP])


def _deeper(scope: Scope, more: int) -> Scope:
    """Return a scope with more of what may go wrong in it."""
    raised = {name: getattr(scope, name) + more for name in ("faults", "crashes", "zombies") if getattr(scope, name)}
    return replace(scope, **raised)


def _look(work: tuple[Scope, int]) -> tuple[Scope, Found, float]:
    scope, most_states = work
    begun = time.monotonic()
    return scope, Search(scope).run(most_states), time.monotonic() - begun


def _check(scopes: Sequence[Scope], most_states: int) -> int:
    print(f"{'scope':{_WIDEST}}  {'states':>10} {'steps':>10} {'interleavings':>13} {'ends':>6} {'seconds':>8}")
    broken = states = 0
    with ProcessPoolExecutor(max_workers=2) as pool:
        for scope, found, seconds in pool.map(_look, [(scope, most_states) for scope in scopes]):
            ways = f"{found.interleavings:.2e}" if found.interleavings else "-"
            print(
                f"{scope.name:{_WIDEST}}  {found.states:10,} {found.steps:10,} {ways:>13} {found.ends:6} {seconds:8.1f}"
                + ("" if found.complete else "  not all of it: --states gives it more"),
                flush=True,
            )
            states += found.states
            if found.broken:
                broken += 1
                print(found.broken)
    print(f"{states:,} states in {len(scopes)} scopes; broken in {broken}")
    return 1 if broken else 0


def _show_mutants() -> int:
    missed = 0
    for mutant in MUTANTS:
        (scope,) = [scope for scope in QUICK if scope.name == mutant.scope]
        found = Search(scope, mutant.code).run()
        missed += not found.broken
        print(f"Without the rule that {mutant.without}: {found.broken or 'nothing found'}\n")
    return 1 if missed else 0


def main() -> int:
    """Check, or show what the checker finds without the rules; return 0 if all is as it should be."""
    parser = argparse.ArgumentParser(prog="make check-order", description="All interleavings of small scopes.")
    parser.add_argument("--depth", type=int, default=2, help="how deep (%(default)s)")
    parser.add_argument("--only", default="", help="only scopes whose names have this text")
    parser.add_argument("--states", type=int, default=3_000_000, help="at most so many per scope (%(default)s)")
    parser.add_argument("--mutants", action="store_true", help="show the case in which each rule left out is found")
    chosen = parser.parse_args()
    if chosen.mutants:
        return _show_mutants()
    scopes = QUICK if chosen.depth < 2 else [_deeper(scope, chosen.depth - 2) for scope in [*QUICK, *DEEP]]
    return _check([scope for scope in scopes if chosen.only in scope.name], chosen.states)


if __name__ == "__main__":
    sys.exit(main())
