"""What every mocked case has to come to, whichever engine runs it: this process's, or Step Functions Local."""

from typing import Any, NamedTuple

from tests.statemachine.cases import DELIVER, REDRIVE

CLIENT = {"name": "original", "queueUrl": "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo"}
FAR, PASSED = "2999-12-31T23:59:59Z", "2020-01-01T00:00:00Z"

_BATCH = {"batch": {"events": [{"eventId": "1"}]}, "clients": [CLIENT], "storesDeadline": FAR, "deadline": FAR}


class Case(NamedTuple):
    """What a case is given, and what it has to come to.

    `way` names the states it comes by, in order, `tries` the Tasks that are tried other than once per
    visit, `parked` how many events a delivery parks, `error` the name of the error it fails with.
    """

    way: list[str]
    tries: dict[str, int] = {}  # noqa: RUF012 - never changed
    parked: int = 0
    error: str = ""
    given: dict[str, Any] = _BATCH


_ONE_WAVE_WRITTEN = ["Write Wave", "All Written?"]
_CALLED = ["Waves To Send?", "Send Wave"]
_ONE_WAVE_SENT = [*_CALLED, "All Accepted?"]
_REFUSED = [*_CALLED, "All Accepted?", "Send Refused Alone", "Send Refused Event"]

_VALIDATED = ["Validate Events", "Any Rejected?"]
_WRITTEN = ["Write To Fan-Out Queue", *_ONE_WAVE_WRITTEN, "Lane Written"]
_FOUND = ["Find Parked Sequences", "Stores In Time?", "Deliver To Clients"]
_UP_TO_CLIENT = [*_VALIDATED, *_WRITTEN, *_FOUND, "Needs Selection?"]
_UP_TO_SEND = [*_UP_TO_CLIENT, "Send Lanes"]
_LANE_SENT = ["Lane Sent", "Client Served", "Batch Handled"]
_LANE_LEFT = ["Waves To Send?", *_LANE_SENT]
_DELIVERED = ["Send Lanes", *_ONE_WAVE_SENT, *_LANE_SENT]

_DELIVERIES = {
    "AllDelivered": Case([*_UP_TO_CLIENT, *_DELIVERED]),
    "SeveralWaves": Case(
        [
            *_VALIDATED,
            "Write To Fan-Out Queue",
            *[*_ONE_WAVE_WRITTEN, "Next Wave To Write"] * 2, *_ONE_WAVE_WRITTEN, "Lane Written",
            *_FOUND, "Needs Selection?",
            "Send Lanes", *[*_ONE_WAVE_SENT, "Next Wave"] * 2, *_ONE_WAVE_SENT, *_LANE_SENT,
        ]
    ),
    "NothingToDeliver": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", *_FOUND, "Needs Selection?", "Send Lanes", "Client Served",
         "Batch Handled"]
    ),
    "NoClients": Case([*_VALIDATED, *_WRITTEN, *_FOUND, "Batch Handled"], given=_BATCH | {"clients": []}),
    "RejectedQuarantined": Case(
        [*_VALIDATED, "Quarantine Rejected Events", "Quarantine Event", *_WRITTEN, *_FOUND, "Needs Selection?",
         *_DELIVERED]
    ),
    "QuarantineDown": Case(
        [*_VALIDATED, "Quarantine Rejected Events", "Quarantine Event"],
        {"Quarantine Event": 5},
        error="Sqs.KmsThrottledException",
    ),
    "ValidatorThrottledThenValidates": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Validate Events": 3}),
    "ValidatorDown": Case(["Validate Events"], {"Validate Events": 5}, error="Lambda.ServiceException"),
    "FanOutThrottledThenWritten": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Write Wave": 3}),
    "FanOutPartlyRefusedThenWritten": Case(
        [
            *_VALIDATED, "Write To Fan-Out Queue",
            "Write Wave", "All Written?", "Write Refused Alone", "Write Refused Event",
            "Waves Left To Write?", "Lane Written",
            *_FOUND, "Needs Selection?", *_DELIVERED,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutPartlyRefusedBeforeMoreWaves": Case(
        [
            *_VALIDATED, "Write To Fan-Out Queue",
            "Write Wave", "All Written?", "Write Refused Alone", "Write Refused Event",
            "Waves Left To Write?", "Next Wave To Write",
            *_ONE_WAVE_WRITTEN, "Next Wave To Write", *_ONE_WAVE_WRITTEN, "Lane Written",
            *_FOUND, "Needs Selection?",
            "Send Lanes", *[*_ONE_WAVE_SENT, "Next Wave"] * 2, *_ONE_WAVE_SENT, *_LANE_SENT,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutDown": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", "Write Wave"],
        {"Write Wave": 5},
        error="Sqs.SqsException",
    ),
    "ParkedTableDown": Case(
        [*_VALIDATED, *_WRITTEN, "Find Parked Sequences"],
        {"Find Parked Sequences": 5},
        error="DynamoDb.InternalServerErrorException",
    ),
    "ClientHasParkedSequences": Case([*_UP_TO_CLIENT, "Select Events", *_DELIVERED], parked=1),
    "SelectionDown": Case(
        [*_UP_TO_CLIENT, "Select Events"], {"Select Events": 5}, error="HeldEventsUnavailableError"
    ),
    "ClientThrottledThenAccepted": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Send Wave": 3}),
    "ClientQueueMissing": Case(
        [*_UP_TO_SEND, *_CALLED, "Park Wave", *_LANE_LEFT], {"Send Wave": 1}, parked=2
    ),
    "ClientAccessRefused": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Park Wave", *_LANE_LEFT],
        {"Send Wave": 1},
        parked=2,
    ),
    "ClientFaultThenAccepted": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "All Accepted?", *_LANE_SENT],
        {"Send Wave": 1, "Send Wave Again": 1},
    ),
    "ClientThrottledAs403ThenAccepted": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "All Accepted?", *_LANE_SENT],
        {"Send Wave": 1, "Send Wave Again": 1},
    ),
    "ClientFaultForGood": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "Park Wave", *_LANE_LEFT],
        {"Send Wave": 1, "Send Wave Again": 3},
        parked=2,
    ),
    "ClientFaultThenQueueMissing": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "Park Wave", *_LANE_LEFT],
        {"Send Wave": 1, "Send Wave Again": 1},
        parked=2,
    ),
    "ClientPartlyRefusedThenAccepted": Case(
        [*_UP_TO_SEND, *_REFUSED, "Any Refused For Good?", "Next Wave", *_LANE_LEFT], {"Send Refused Event": 2}
    ),
    "ClientPartlyRefusedForGood": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events", *_LANE_LEFT],
        {"Send Refused Event": 4},
        parked=1,
    ),
    "ClientPartlyRefusedThenQueueMissing": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events", *_LANE_LEFT],
        {"Send Refused Event": 1},
        parked=1,
    ),
    "StoresTooSlow": Case(
        [*_VALIDATED, *_WRITTEN, "Find Parked Sequences", "Stores In Time?", "Stores Too Slow"],
        error="StoresTooSlow",
        given=_BATCH | {"storesDeadline": PASSED},
    ),
    "ClientTooSlow": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Out Of Time", "Park Wave", *_LANE_LEFT],
        parked=2,
        given=_BATCH | {"deadline": PASSED},
    ),
    "ParkingDown": Case(
        [*_UP_TO_SEND, *_CALLED, "Park Wave"],
        {"Park Wave": 5},
        error="HeldEventsUnavailableError",
    ),
    "ParkingOfRefusedDown": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Refused Events"],
        {"Park Refused Events": 5},
        error="HeldEventsUnavailableError",
    ),
}  # fmt: skip

_REDRIVE: dict[str, Any] = {"client": "original"}
_DISCARD = {"client": "original", "action": "discard", "mark": "AFC F7", "reason": "sent by hand", "by": "jo"}

_CHECKED = ["Check Request", "Dry Run?", "Discard?"]
_PAGE = ["List Sequences", "Turn To Page", "Redrive Lanes"]
_CONCLUDED = ["More Sequences?", "Conclude Redrive"]
_LANE_REDRIVEN = ["Sequences Left?", "Redrive Lane", "Sequences Left?", "Lane Redriven"]

_REDRIVES = {
    "AllRedriven": Case(
        [
            *_CHECKED, "Start At First", *_PAGE,
            "Sequences Left?", "Redrive Lane", *_LANE_REDRIVEN,
            *_CONCLUDED,
        ],
        given=_REDRIVE,
    ),
    "TwoPages": Case(
        [
            *_CHECKED, "Start At First", *_PAGE, *_LANE_REDRIVEN,
            "More Sequences?", *_PAGE, *_LANE_REDRIVEN,
            *_CONCLUDED,
        ],
        given=_REDRIVE,
    ),
    "SequenceStopped": Case(
        [*_CHECKED, "Start At First", *_PAGE, *_LANE_REDRIVEN, *_CONCLUDED],
        {"Conclude Redrive": 2},
        given=_REDRIVE,
    ),
    "LaneDown": Case(
        [*_CHECKED, "Start At First", *_PAGE, "Sequences Left?", "Redrive Lane", "Lane Stopped", *_CONCLUDED],
        {"Redrive Lane": 5},
        given=_REDRIVE,
    ),
    "DryRun": Case(
        ["Check Request", "Dry Run?", "Describe Effect"], {"Describe Effect": 2}, given=_REDRIVE | {"dryRun": True}
    ),
    "Discard": Case(
        [*_CHECKED, "Discard Events", "More To Discard?", "Start At First", *_PAGE, *_LANE_REDRIVEN, *_CONCLUDED],
        {"Discard Events": 2},
        given=_DISCARD,
    ),
    "DiscardInTwoSteps": Case(
        [
            *_CHECKED,
            *["Discard Events", "More To Discard?"] * 2,
            "Start At First", *_PAGE, *_LANE_REDRIVEN, *_CONCLUDED,
        ],
        given=_DISCARD | {"all": True},
    ),
    "BadRequest": Case(
        ["Check Request"],
        {"Check Request": 1},
        error="RedriveRequestError",
        given=_REDRIVE | {"action": "delete"},
    ),
    "UnknownClient": Case(
        ["Check Request"], {"Check Request": 1}, error="UnknownClientError", given={"client": "nobody"}
    ),
    "TableDown": Case(
        ["Check Request"], {"Check Request": 5}, error="HeldEventsUnavailableError", given=_DISCARD
    ),
    "NothingParked": Case(
        [*_CHECKED, "Start At First", *_PAGE, *_CONCLUDED], {"List Sequences": 2}, given=_REDRIVE
    ),
}  # fmt: skip

EXPECTED: dict[str, dict[str, Case]] = {DELIVER: _DELIVERIES, REDRIVE: _REDRIVES}
