"""Proves the guarantees over generated histories of events, faults and redrives, on what the queues really hold.

`make faults` runs more of them, from a seed that can be given. The limits are those of test_faults.py.
"""

from tests.faults.stateful import attack
from tests.faults.world import World


def test_generated_histories_lose_and_overtake_nothing(world: World):
    """Whatever happens while the rest goes on: once all is quiet, the queues hold what the model says."""
    for number in range(1, 4):
        attack(world, number, steps=40)
    assert world.tally.clean
