"""`make faults`: generated attacks on a deployed stack for some minutes, from a seed that can be given."""

import argparse
import random
import sys
import time

from tests.faults.stateful import attack
from tests.faults.world import attacked


def main() -> int:
    """Attack until the time is up; return 0.

    Raises:
        AssertionError: something was lost, overtaken, duplicated or held without cause; its notes tell the history.
    """
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long, at least one history (%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="number of the first history")  # noqa: S311
    parser.add_argument("--steps", type=int, default=60, help="steps of a history (%(default)s)")
    chosen = parser.parse_args()

    print(f"Deploying the stack; the first history has number {chosen.seed}.", flush=True)
    with attacked() as world:
        deadline = time.monotonic() + chosen.seconds
        number = chosen.seed
        try:
            while number == chosen.seed or time.monotonic() < deadline:
                attack(world, number, chosen.steps)
                print(f"history {number}: {world.tally}", flush=True)
                number += 1
        finally:
            world.count_faults()
            print(world.tally, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
