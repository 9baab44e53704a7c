"""The events as typed models: made by `python -m contracts.models` from schemas/v1, not by hand."""
# ruff: noqa: E501, N815 (texts and names are those of the schemas)

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from mark_event_contracts.exact import Exact, Number
from mark_event_contracts.instants import Instant


class Address(Exact):
    """Personal data."""

    addLine1: str | None = None
    addLine2: str | None = None
    addLine3: str | None = None
    addLine4: str | None = None
    postTown: str | None = None
    postcode: str | None = None


class Entitlement(Exact):
    """The right to a mark, from the moment it is bought. Personal data."""

    certificateNo: str | None = None
    nomineeName: str | None = None
    agreementTime: Instant | None = None
    expiryTime: Instant | None = None
    certificateTime: Instant | None = None
    customerId: str | None = None
    purchaserName: str | None = None
    telephoneNo: str | None = None
    address: Address | None = None


class MarkState(Exact):
    """The full state of the mark after the event."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
    )
    mark: Annotated[str, Field(min_length=1)]
    """A vehicle registration number. It may contain spaces ("AFC 6")."""
    Status: (
        Literal[
            "MARK_AVAILABLE",
            "MARK_PENDING_PAYMENT_BY_CHEQUE",
            "MARK_SOLD_ISSUE_CERTIFICATE_TO_PURCHASER",
            "REMOVE_MARK_FROM_SALE",
            "MARK_ASSIGNED",
            "MARK_PURCHASED_BY_PAYMENT_CARD_CERT_NOT_YET_ISSUED",
            "DVLA_ACCREDITED_DEALER_SALE",
            "ISSUE_DUPLICATE_CERTIFICATE",
            "ISSUE_REPLACEMENT_CERTIFICATE",
            "CERTIFICATE_ISSUED_PAYMENT_RECEIVED",
            "MARK_STOPPED_NO_FURTHER_ACTION_ALLOWED",
            "MARK_STOPPED_ASSIGNMENT_FEE_REPAID",
            "DEALER_STOPPED",
            "OFFENSIVE",
            "CHEQUE_BANKED_NOT_YET_CLEARED",
            "CERTIFICATE_ISSUED_PAYMENT_NOT_YET_RECEIVED",
            "MARK_ASSIGNED_PAYMENT_NOT_YET_RECEIVED",
            "MARK_STOPPED_CHEQUE_RETURNED",
            "MARK_RESERVED_CHEQUE_OVERDUE",
            "RD_CHEQUE_AFTER_V750_ISSUED",
        ]
        | None
    ) = None
    eventTime: Instant
    lockTime: Instant | None = None
    """Until when the mark is locked for sale; absent or null when it is not locked."""
    price: Annotated[Number | None, Field(ge=0)] = None
    """Pounds, whole or with decimals, exact to the digit."""
    version: Annotated[int, Field(ge=1)]
    """Numbers the events of a mark: 1, 2, 3 …"""
    entitlement: Entitlement | None = None


class ForgottenNotice(Exact):
    """No event: the producer deleted a mark with all its events. Whoever keeps anything of the mark deletes it. The message has the attribute notice, and no eventId. It may come more than once."""

    notice: Literal["forgotten"]
    mark: Annotated[str, Field(min_length=1)]
    """The registration number, as its events had it."""


class Envelope(Exact):
    """What every event of a mark holds, whatever its type."""

    eventId: Annotated[
        str,
        Field(
            max_length=36,
            pattern="^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        ),
    ]
    """The event's identity, a UUID: de-duplicate by it."""
    eventName: Literal[
        "AddressUpdateEvent",
        "DeleteEvent",
        "DuplicateCertificateEvent",
        "EntitlementCreateEvent",
        "EntitlementExtendEvent",
        "LockEvent",
        "NomineeUpdateEvent",
        "UnLockEvent",
    ]
    """The event's type; each has a schema of its own beside this file."""
    createTime: Instant
    mark: Annotated[str, Field(min_length=1)]
    """A vehicle registration number. It may contain spaces ("AFC 6")."""
    RegistrationNumber: MarkState


class AddressUpdateEvent(Envelope):
    """The holder of a mark moved house."""

    eventName: Literal["AddressUpdateEvent"]
    """The event's type; each has a schema of its own beside this file."""


class DeleteEvent(Envelope):
    """A mark was withdrawn."""

    eventName: Literal["DeleteEvent"]
    """The event's type; each has a schema of its own beside this file."""


class DuplicateCertificateEvent(Envelope):
    """A duplicate of a certificate was issued."""

    eventName: Literal["DuplicateCertificateEvent"]
    """The event's type; each has a schema of its own beside this file."""


class EntitlementCreateEvent(Envelope):
    """A mark was bought: somebody holds the right to it."""

    eventName: Literal["EntitlementCreateEvent"]
    """The event's type; each has a schema of its own beside this file."""


class EntitlementExtendEvent(Envelope):
    """The right to a mark was extended."""

    eventName: Literal["EntitlementExtendEvent"]
    """The event's type; each has a schema of its own beside this file."""


class LockEvent(Envelope):
    """A mark was locked for a sale."""

    eventName: Literal["LockEvent"]
    """The event's type; each has a schema of its own beside this file."""


class NomineeUpdateEvent(Envelope):
    """A mark has a new nominee."""

    eventName: Literal["NomineeUpdateEvent"]
    """The event's type; each has a schema of its own beside this file."""


class UnLockEvent(Envelope):
    """A mark was unlocked."""

    eventName: Literal["UnLockEvent"]
    """The event's type; each has a schema of its own beside this file."""


Event = (
    AddressUpdateEvent
    | DeleteEvent
    | DuplicateCertificateEvent
    | EntitlementCreateEvent
    | EntitlementExtendEvent
    | LockEvent
    | NomineeUpdateEvent
    | UnLockEvent
)
"""An event of any type."""
