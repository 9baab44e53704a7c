"""Events as mark-api writes them: DynamoDB items of marks that are sold, locked, moved and extended."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from boto3.dynamodb.types import TypeSerializer

from local.engine import Engine

TABLE = "RegistrationNumberEvent"

Item = dict[str, Any]

_SERIALIZER = TypeSerializer()
_BEGIN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@dataclass
class Mark:
    """A mark's life, event by event; every method returns the next event's item."""

    name: str
    price: Decimal = Decimal("299.50")
    status: str = "MARK_AVAILABLE"
    version: int = 0
    locked: bool = False
    entitlement: dict[str, Any] = field(default_factory=dict)
    begin: datetime = _BEGIN

    def lock(self) -> Item:
        """Lock the mark for a sale."""
        self.locked = True
        return self._next("LockEvent")

    def unlock(self) -> Item:
        """Give up the sale."""
        self.locked = False
        return self._next("UnLockEvent")

    def buy(self, purchaser: str) -> Item:
        """Sell the mark to somebody, who becomes its nominee."""
        self.locked = False
        self.status = "MARK_ASSIGNED"
        self.entitlement = {
            "certificateNo": f"V750-{len(self.name):05d}",
            "nomineeName": purchaser,
            "purchaserName": purchaser,
            "telephoneNo": "01632 960001",
            "address": {"addLine1": "1 Sample Street", "postTown": "Exampleton", "postcode": "EX1 1EX"},
            "expiryTime": "2036-03-01T09:30:00Z",
        }
        return self._next("EntitlementCreateEvent")

    def move_house(self, line: str, town: str, postcode: str) -> Item:
        """Give the holder a new address."""
        address = {"addLine1": line, "postTown": town, "postcode": postcode}
        self.entitlement = self.entitlement | {"address": address}
        return self._next("AddressUpdateEvent")

    def nominate(self, nominee: str) -> Item:
        """Give the mark a new nominee."""
        self.entitlement = self.entitlement | {"nomineeName": nominee}
        return self._next("NomineeUpdateEvent")

    def extend(self, until: str) -> Item:
        """Extend the right to the mark."""
        self.entitlement = self.entitlement | {"expiryTime": until}
        return self._next("EntitlementExtendEvent")

    def lose_certificate(self) -> Item:
        """Issue a duplicate of the certificate."""
        return self._next("DuplicateCertificateEvent")

    def _next(self, event_name: str) -> Item:
        self.version += 1
        # As Java's ISO_INSTANT prints it: the fraction is there only when it is not nought.
        instant = self.begin + timedelta(seconds=self.version, milliseconds=25 * (self.version % 3))
        time = instant.isoformat(timespec="auto").replace("+00:00", "Z").replace("000Z", "Z")
        state: dict[str, Any] = {
            "mark": self.name,
            "Status": self.status,
            "eventTime": time,
            "price": self.price,
            "version": self.version,
        }
        if self.locked:
            state["lockTime"] = "2026-03-01T12:00:00Z"
        if self.entitlement:
            state["entitlement"] = self.entitlement
        event = {
            "eventId": str(uuid5(NAMESPACE_URL, f"{self.name}/{self.version}")),
            "eventName": event_name,
            "createTime": time,
            "mark": self.name,
            "RegistrationNumber": state,
        }
        item: Item = dict(_SERIALIZER.serialize(event)["M"])
        return item


def put_in_batches(engine: Engine, items: Sequence[Item]) -> None:
    """Put events into the table with BatchWriteItem, 25 to a call, in order."""
    dynamodb = engine.client("dynamodb")
    for start in range(0, len(items), 25):
        requests = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
        answer = dynamodb.batch_write_item(RequestItems={TABLE: requests})
        if answer.get("UnprocessedItems"):
            raise RuntimeError("the table left items of a batch unwritten")
