"""What becomes of a mark whose event breaks the contract: the parameter `RejectedEvents`."""

from enum import StrEnum


class RejectedEvents(StrEnum):
    """Whether the later events of that mark wait behind it, or pass it."""

    HOLD_MARK = "HoldMark"
    PASS_MARK = "PassMark"  # noqa: S105 (a way, no password)

    @property
    def hold_marks(self) -> bool:
        """Whether later events of the mark wait."""
        return self is RejectedEvents.HOLD_MARK
