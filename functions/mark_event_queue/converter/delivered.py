"""What was delivered and comes again, because something before it in the stream was not."""

from collections.abc import Iterable

from mark_event_queue.domain.batches import Place

# Of two invocations as large as Lambda makes them.
_MOST = 20_000


class Delivered:
    """Records by their places in the stream; the oldest are given up where there are too many."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._places: dict[Place, None] = {}

    def __contains__(self, place: object) -> bool:
        return place in self._places

    def remember(self, places: Iterable[Place]) -> None:
        """Note records of an invocation that has to come again; one without a sequence number could be any."""
        self._places |= dict.fromkeys(place for place in places if place[1])
        for place in list(self._places)[: max(0, len(self._places) - self._most)]:
            del self._places[place]

    def forget(self, places: Iterable[Place]) -> None:
        """Drop records of an invocation that does not come again."""
        for place in places:
            self._places.pop(place, None)
