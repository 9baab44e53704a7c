"""What is parked, as people and the redrive see it."""

from typing import NamedTuple


class ParkedSequence(NamedTuple):
    """A parked sequence of a client: whose mark's, since when (UTC), and for which error."""

    group_id: str
    since: str
    error: str
