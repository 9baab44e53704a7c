"""`make faults`: generated attacks on a deployed stack for some minutes, from a seed that can be given."""

import argparse
import random
import sys
import time

from tests.faults.stateful import attack
from tests.faults.world import attacked


def main() -> int:
    """Attack until the time is up; return 0 if nothing was lost, overtaken, duplicated or held without cause."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long, at least four histories (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="number of the first histories")  # noqa: S311
    parser.add_argument("--steps", type=int, default=60, help="steps of a history, at most (%(default)s)")
    chosen = parser.parse_args()

    print(f"Deploying the stack; the first four histories have number {chosen.seed}.", flush=True)
    with attacked() as world:
        deadline = time.monotonic() + chosen.seconds
        number = chosen.seed
        while number == chosen.seed or time.monotonic() < deadline:
            try:
                attack(world, number, histories=4, steps=chosen.steps)
            except AssertionError as error:
                print(f"histories {number} broke a guarantee: {error}\nAgain: make faults SEED={number} SECONDS=1")
                print(world.tally)
                return 1
            print(f"histories {number}: {world.tally}", flush=True)
            number += 1
        print(world.tally)
    return 0


if __name__ == "__main__":
    sys.exit(main())
