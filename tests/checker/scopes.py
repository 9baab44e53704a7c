"""The scopes: small worlds in which everything that matters can meet, each with what may go wrong in it, how often."""

from tests.checker.search import Scope, Stream


def _a(*numbers: int, valid_from: int = 0) -> list[Stream]:
    return [Stream("A", number, valid_from) for number in numbers]


def _b(*numbers: int) -> list[Stream]:
    return [Stream("B", number) for number in numbers]


_REDRIVE = {"client": "c"}
_RELEASE = {"gate": True}
_DISCARD = {"mark": "A", "action": "discard", "by": "somebody", "reason": "given up"}

# For `make test`: less than a minute on one core.
QUICK = [
    Scope("a batch, a fault and a crash", batches=[_a(1, 2), _a(3)], faults=1, crashes=1, fan_out=True),
    Scope("a batch of two marks, of which one is refused", batches=[[*_a(1, 2), *_b(1)], _a(3)], faults=1),
    Scope("two tracks and a fault", batches=[_a(1), _a(2)], beside=[_b(1), _b(2)], faults=1),
    Scope("... of which one meets the gate", batches=[_a(1, valid_from=1), _a(2)], beside=[_b(1)], requests=[_RELEASE],
          mends=1),
    Scope("a batch whose answer is lost", batches=[_a(1, 2), _a(3)], zombies=1, faults=1, crashes=1),
    Scope("... and a redrive", batches=[_a(1), _a(2)], requests=[_REDRIVE], zombies=1, faults=1),
    Scope("a redrive, live traffic, a fault and a crash", held={"c": _a(1)}, batches=[_a(2)], requests=[_REDRIVE],
          faults=1, crashes=1),
    Scope("a redrive and live traffic", held={"c": _a(1, 2)}, batches=[_a(3)], requests=[_REDRIVE]),
    Scope("two redrives and live traffic", held={"c": _a(1, 2)}, batches=[_a(3)], requests=[_REDRIVE] * 2),
    Scope("two redrives, nothing twice", held={"c": _a(1, 2)}, requests=[_REDRIVE] * 2, ticks=1, once=True),
    Scope("a discard and live traffic", held={"c": _a(1, 2)}, batches=[_a(3)], requests=[{**_REDRIVE, **_DISCARD}],
          faults=1, crashes=1),
    Scope("a discard and a redrive", held={"c": _a(1, 2)}, requests=[_REDRIVE, {**_REDRIVE, **_DISCARD}]),
    Scope("a broken event, a mend, a release and a fault", batches=[[*_a(1), *_a(2, valid_from=1)], _a(3)],
          requests=[_RELEASE], mends=1, faults=1),
    Scope("... and a crash", batches=[[*_a(1), *_a(2, valid_from=1)], _a(3)], requests=[_RELEASE], mends=1, crashes=1),
    Scope("... and a lost answer", batches=[_a(1, valid_from=1), _a(2)], requests=[_RELEASE], mends=1, zombies=1),
    Scope("two releases and live traffic", held={"gate": _a(1, 2)}, batches=[_a(3)], requests=[_RELEASE] * 2),
    Scope("two releases, nothing twice", held={"gate": _a(1, 2)}, requests=[_RELEASE] * 2, ticks=1, once=True),
    Scope("a release and a redrive", held={"c": _a(1), "gate": _a(2)}, batches=[_a(3)], requests=[_RELEASE, _REDRIVE]),
    Scope("a discard at the gate and live traffic", held={"gate": [*_a(1, valid_from=1), *_a(2)]}, batches=[_a(3)],
          requests=[{**_RELEASE, **_DISCARD}], mends=1),
]  # fmt: skip

# Beyond: each a scope above with one thing more.
DEEP = [
    Scope("two tracks, a fault and a redrive", batches=[_a(1)], beside=[_b(1), _b(2)], requests=[_REDRIVE], faults=1),
    Scope("a lost answer, a redrive and a longer batch", batches=[_a(1, 2), _a(3)], requests=[_REDRIVE], zombies=1,
          faults=1),
    Scope("a lost answer, a release and a longer batch", batches=[[*_a(1), *_a(2, valid_from=1)], _a(3)],
          requests=[_RELEASE], mends=1, zombies=1),
    Scope("two redrives, live traffic and a fault", held={"c": _a(1, 2)}, batches=[_a(3)], requests=[_REDRIVE] * 2,
          faults=1),
    Scope("a discard, a redrive and live traffic", held={"c": _a(1, 2)}, batches=[_a(3)],
          requests=[_REDRIVE, {**_REDRIVE, **_DISCARD}]),
    Scope("a discard, a release and live traffic", held={"gate": [*_a(1, valid_from=1), *_a(2)]}, batches=[_a(3)],
          requests=[_RELEASE, {**_RELEASE, **_DISCARD}]),
    Scope("two clients, a release and a fault", batches=[[*_a(1), *_a(2, valid_from=1)], _a(3)], requests=[_RELEASE],
          clients=("c", "d"), mends=1, faults=1),
    Scope("a release, a fault and a crash", batches=[[*_a(1), *_a(2, valid_from=1)], _a(3)], requests=[_RELEASE],
          mends=1, faults=1, crashes=1),
    Scope("a release, a redrive, live traffic and a fault", held={"c": _a(1), "gate": _a(2)}, batches=[_a(3)],
          requests=[_RELEASE, _REDRIVE], faults=1),
    Scope("two releases, live traffic and a fault", held={"gate": _a(1, 2)}, batches=[_a(3)], requests=[_RELEASE] * 2,
          faults=1),
    Scope("a lost answer, a release and a fault", batches=[_a(1, valid_from=1), _a(2)], requests=[_RELEASE], mends=1,
          zombies=1, faults=1),
]  # fmt: skip
