"""What every mocked case has to come to, whichever engine runs it: this process's, or Step Functions Local."""

from typing import Any, NamedTuple

from tests.statemachine.cases import DELIVER, HISTORY, REDRIVE

CLIENT = {
    "name": "original",
    "queueUrl": "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo",
    "selects": "",
}
FAR, PASSED = "2999-12-31T23:59:59Z", "2020-01-01T00:00:00Z"

_BATCH = {
    "batch": {"events": [{"eventId": "1"}]}, "clients": [CLIENT], "released": False,
    "storesDeadline": FAR, "deadline": FAR,
}  # fmt: skip


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

_VALIDATED = ["Validate Events", "Find Held Sequences", "Held At Gate?"]
_WRITTEN = ["Write To Fan-Out Queue", *_ONE_WAVE_WRITTEN, "Lane Written"]
_IN_TIME = ["Stores In Time?", "Deliver To Clients"]
_UP_TO_CLIENT = [*_VALIDATED, *_WRITTEN, *_IN_TIME, "Needs Selection?"]
_UP_TO_SEND = [*_UP_TO_CLIENT, "Send Lanes"]
_CLIENT_SERVED = ["Client Served", "Withheld Left?"]
_LANE_SENT = ["Lane Sent", *_CLIENT_SERVED, "Batch Handled"]
_LANE_LEFT = ["Waves To Send?", *_LANE_SENT]
_SENT = ["Send Lanes", *_ONE_WAVE_SENT, "Lane Sent", *_CLIENT_SERVED]
_DELIVERED = [*_SENT, "Batch Handled"]

_DELIVERIES = {
    "AllDelivered": Case([*_UP_TO_CLIENT, *_DELIVERED]),
    "SeveralWaves": Case(
        [
            *_VALIDATED,
            "Write To Fan-Out Queue",
            *[*_ONE_WAVE_WRITTEN, "Next Wave To Write"] * 2, *_ONE_WAVE_WRITTEN, "Lane Written",
            *_IN_TIME, "Needs Selection?",
            "Send Lanes", *[*_ONE_WAVE_SENT, "Next Wave"] * 2, *_ONE_WAVE_SENT, *_LANE_SENT,
        ]
    ),
    "NothingToDeliver": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", *_IN_TIME, "Needs Selection?", "Send Lanes",
         *_CLIENT_SERVED, "Batch Handled"]
    ),
    "NoClients": Case(
        [*_VALIDATED, *_WRITTEN, *_IN_TIME, "Withheld Left?", "Batch Handled"], given=_BATCH | {"clients": []}
    ),
    "RejectedHeldAtGate": Case(
        [*_VALIDATED, "Hold At Gate", *_WRITTEN, *_IN_TIME, "Needs Selection?", *_DELIVERED]
    ),
    "FollowersHeldAtGate": Case(
        [*_VALIDATED, "Hold At Gate", *_WRITTEN, *_IN_TIME, "Needs Selection?", *_DELIVERED]
    ),
    "RestHeldAtGate": Case(
        [*_VALIDATED, "Hold At Gate", *_WRITTEN, *_IN_TIME, "Needs Selection?", *_SENT, "Hold Rest At Gate",
         "Batch Handled"]
    ),
    "GateDown": Case([*_VALIDATED, "Hold At Gate"], {"Hold At Gate": 5}, error="HeldEventsUnavailableError"),
    "GateDownForTheRest": Case(
        [*_VALIDATED, "Hold At Gate", *_WRITTEN, *_IN_TIME, "Needs Selection?", *_SENT, "Hold Rest At Gate"],
        {"Hold Rest At Gate": 5},
        error="HeldEventsUnavailableError",
    ),
    "Released": Case([*_UP_TO_CLIENT, *_SENT, "Batch Released"], given=_BATCH | {"released": True}),
    "ValidatorThrottledThenValidates": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Validate Events": 3}),
    "ValidatorDown": Case(["Validate Events"], {"Validate Events": 5}, error="Lambda.ServiceException"),
    "FanOutThrottledThenWritten": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Write Wave": 3}),
    "FanOutPartlyRefusedThenWritten": Case(
        [
            *_VALIDATED, "Write To Fan-Out Queue",
            "Write Wave", "All Written?", "Write Refused Alone", "Write Refused Event",
            "Waves Left To Write?", "Lane Written",
            *_IN_TIME, "Needs Selection?", *_DELIVERED,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutPartlyRefusedBeforeMoreWaves": Case(
        [
            *_VALIDATED, "Write To Fan-Out Queue",
            "Write Wave", "All Written?", "Write Refused Alone", "Write Refused Event",
            "Waves Left To Write?", "Next Wave To Write",
            *_ONE_WAVE_WRITTEN, "Next Wave To Write", *_ONE_WAVE_WRITTEN, "Lane Written",
            *_IN_TIME, "Needs Selection?",
            "Send Lanes", *[*_ONE_WAVE_SENT, "Next Wave"] * 2, *_ONE_WAVE_SENT, *_LANE_SENT,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutDown": Case(
        [*_VALIDATED, "Write To Fan-Out Queue", "Write Wave"],
        {"Write Wave": 5},
        error="Sqs.SqsException",
    ),
    "HeldTableDown": Case(
        ["Validate Events", "Find Held Sequences"],
        {"Find Held Sequences": 5},
        error="DynamoDb.InternalServerErrorException",
    ),
    "ClientHasHeldSequences": Case([*_UP_TO_CLIENT, "Select Events", *_DELIVERED], parked=1),
    "MarkForgotten": Case([*_VALIDATED, "Forget Marks", *_IN_TIME, "Needs Selection?", *_DELIVERED]),
    "ForgettingDown": Case(
        [*_VALIDATED, "Forget Marks"], {"Forget Marks": 5}, error="HeldEventsUnavailableError"
    ),
    "ClientHasFilter": Case(
        [*_UP_TO_CLIENT, "Select Events", *_DELIVERED],
        parked=1,
        given=_BATCH | {"clients": [CLIENT | {"selects": "*"}]},
    ),
    "ClientHasHadHistory": Case(
        [*_UP_TO_CLIENT, *_DELIVERED], given=_BATCH | {"clients": [CLIENT | {"selects": "/0123456789ab"}]}
    ),
    "SelectionDown": Case(
        [*_UP_TO_CLIENT, "Select Events"], {"Select Events": 5}, error="HeldEventsUnavailableError"
    ),
    "ClientThrottledThenAccepted": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Send Wave": 3}),
    "ClientQueueMissing": Case(
        [*_UP_TO_SEND, *_CALLED, "Wave Refused", "Park Events", *_LANE_LEFT], {"Send Wave": 1}, parked=2
    ),
    "ClientAccessRefused": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Wave Refused", "Park Events", *_LANE_LEFT],
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
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "Wave Refused", "Park Events", *_LANE_LEFT],
        {"Send Wave": 1, "Send Wave Again": 3},
        parked=2,
    ),
    "ClientFaultThenQueueMissing": Case(
        [*_UP_TO_SEND, *_CALLED, "Access Refused?", "Send Wave Again", "Wave Refused", "Park Events", *_LANE_LEFT],
        {"Send Wave": 1, "Send Wave Again": 1},
        parked=2,
    ),
    "ClientPartlyRefusedThenAccepted": Case(
        [*_UP_TO_SEND, *_REFUSED, "Any Refused For Good?", "Next Wave", *_LANE_LEFT], {"Send Refused Event": 2}
    ),
    "ClientPartlyRefusedForGood": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Events", *_LANE_LEFT],
        {"Send Refused Event": 4},
        parked=1,
    ),
    "ClientPartlyRefusedThenQueueMissing": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Events", *_LANE_LEFT],
        {"Send Refused Event": 1},
        parked=1,
    ),
    "StoresTooSlow": Case(
        [*_VALIDATED, *_WRITTEN, "Stores In Time?", "Stores Too Slow"],
        error="StoresTooSlow",
        given=_BATCH | {"storesDeadline": PASSED},
    ),
    "ClientTooSlow": Case(
        [*_UP_TO_SEND, "Waves To Send?", "Out Of Time", "Wave Refused", "Park Events", *_LANE_LEFT],
        parked=2,
        given=_BATCH | {"deadline": PASSED},
    ),
    "ParkingDown": Case(
        [*_UP_TO_SEND, *_CALLED, "Wave Refused", "Park Events"],
        {"Park Events": 5},
        error="HeldEventsUnavailableError",
    ),
    "ParkingOfRefusedDown": Case(
        [*_UP_TO_SEND, *_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Events"],
        {"Park Events": 5},
        error="HeldEventsUnavailableError",
    ),
}  # fmt: skip

_REDRIVE: dict[str, Any] = {"client": "original"}
_RELEASE: dict[str, Any] = {"gate": True}
_DISCARD = {"client": "original", "action": "discard", "mark": "AFC F7", "reason": "sent by hand", "by": "jo"}
_CONTINUED: dict[str, Any] = {
    "continued": {
        "request": {
            "recipient": "original", "atGate": False, "groupId": "", "action": "redrive", "all": False, "eventId": "",
            "sequenceNumber": "", "reason": "", "by": "", "dryRun": False, "discarded": 0, "after": "", "more": False,
            "queueUrl": CLIENT["queueUrl"],
        },
        "page": {
            "lanes": [["AFC%20F7", "BIG%201"]], "after": "BIG%201", "listed": False, "turn": 45, "pause": False,
        },
        "totals": {"sequences": 2, "delivered": 0, "stoppedSequences": 0, "errors": []},
        "lanes": [{"groupIds": ["AFC%20F7"], "delivered": 1, "stopped": []}],
    },
    "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn:aws:states:eu-west-2:123456789012:execution:redrive:1",
}  # fmt: skip

_CHECKED = ["Continued?", "Check Request", "Dry Run?", "Discard?"]
_LISTED = ["List Sequences", "Sequences Left?"]
_REDRIVEN = [*_LISTED, "Turn To Page", "Redrive Lanes", "At Gate?", "Redrive Lane"]
_RELEASED = [*_LISTED, "Turn To Page", "Redrive Lanes", "At Gate?", "Release Lane"]
_CONCLUDED = [*_LISTED, "Conclude Redrive"]

_REDRIVES = {
    "AllRedriven": Case([*_CHECKED, "Start At First", *_REDRIVEN, *_CONCLUDED], given=_REDRIVE),
    "TwoTurns": Case([*_CHECKED, "Start At First", *_REDRIVEN, *_REDRIVEN, *_CONCLUDED], given=_REDRIVE),
    "SequenceStopped": Case(
        [*_CHECKED, "Start At First", *_REDRIVEN, *_CONCLUDED], {"Conclude Redrive": 2}, given=_REDRIVE
    ),
    "LaneDown": Case(
        [*_CHECKED, "Start At First", *_REDRIVEN, "Lane Stopped", *_CONCLUDED], {"Redrive Lane": 5}, given=_REDRIVE
    ),
    "Release": Case([*_CHECKED, "Start At First", *_RELEASED, *_CONCLUDED], given=_RELEASE),
    "ReleaseDown": Case(
        [*_CHECKED, "Start At First", *_RELEASED, "Lane Stopped", *_CONCLUDED], {"Release Lane": 5}, given=_RELEASE
    ),
    "BatchNotReleased": Case(
        [*_CHECKED, "Start At First", *_RELEASED, "Lane Stopped", *_CONCLUDED], {"Release Lane": 1}, given=_RELEASE
    ),
    "DryRun": Case(
        ["Continued?", "Check Request", "Dry Run?", "Describe Effect"],
        {"Describe Effect": 2},
        given=_REDRIVE | {"dryRun": True},
    ),
    "Discard": Case(
        [*_CHECKED, "Discard Events", "More To Discard?", "Start At First", *_REDRIVEN, *_CONCLUDED],
        {"Discard Events": 2},
        given=_DISCARD,
    ),
    "DiscardInTwoSteps": Case(
        [*_CHECKED, *["Discard Events", "More To Discard?"] * 2, "Start At First", *_CONCLUDED],
        given=_DISCARD | {"all": True},
    ),
    "ContinuedAnew": Case(
        [*_CHECKED, "Start At First", *_REDRIVEN, *_LISTED, "Continue Anew"], {"Continue Anew": 2}, given=_REDRIVE
    ),
    "TakenOver": Case(["Continued?", "Take Over", *_REDRIVEN, *_CONCLUDED], given=_CONTINUED),
    "BadRequest": Case(
        ["Continued?", "Check Request"],
        {"Check Request": 1},
        error="RedriveRequestError",
        given=_REDRIVE | {"action": "delete"},
    ),
    "UnknownClient": Case(
        ["Continued?", "Check Request"], {"Check Request": 1}, error="UnknownClientError", given={"client": "nobody"}
    ),
    "TableDown": Case(
        ["Continued?", "Check Request"], {"Check Request": 5}, error="HeldEventsUnavailableError", given=_DISCARD
    ),
    "NothingHeld": Case(
        [*_CHECKED, "Start At First", *_CONCLUDED], {"List Sequences": 2}, given=_REDRIVE
    ),
}  # fmt: skip

_ASKED: dict[str, Any] = {"client": "original"}
_DUE = ["Check Request", "What Is Due?"]
_READ = ["Read Segments", "Read Segment", "Segment Ended?", "Segment Read", "Conclude History", "What Came Of It?"]
_BEGUN = [*_DUE, "Begin History", "Wait Until Known"]
_UP_TO_DATE = ["Redrive Held", "Anything Coming?", "Up To Date"]
_CLOSED = [*_DUE, "Close Mark", "Wait For Flight"]
_BRING = ["Bring Mark", "Mark Brought?"]

_HISTORIES = {
    "Brought": Case(
        [*_BEGUN, *_READ, *_UP_TO_DATE],
        {"Check Request": 2, "Begin History": 2, "Read Segment": 2, "Conclude History": 2, "Redrive Held": 2},
        given=_ASKED,
    ),
    "BroughtInTwoSteps": Case(
        [*_BEGUN, "Read Segments", "Read Segment", "Segment Ended?", *_READ[1:],
         "Redrive Held", "Anything Coming?", "Wait For Rest", *_UP_TO_DATE],
        given=_ASKED,
    ),
    "RefusedThenBrought": Case([*_BEGUN, *_READ, "Wait For Queue", *_READ, *_UP_TO_DATE], given=_ASKED),
    "RefusedForGood": Case([*_BEGUN, *_READ, "History Stopped"], error="HistoryStopped", given=_ASKED),
    "StoppedMeanwhile": Case([*_BEGUN, *_READ, "History Stopped"], error="HistoryStopped", given=_ASKED),
    "GoesOn": Case([*_BEGUN, *_READ, *_UP_TO_DATE], given=_ASKED),
    "SegmentDown": Case(
        [*_BEGUN, "Read Segments", "Read Segment", "Segment Failed", *_READ[4:], "History Stopped"],
        {"Read Segment": 5},
        error="HistoryStopped",
        given=_ASKED,
    ),
    "HeldInPart": Case([*_BEGUN, *_READ, *_UP_TO_DATE], given=_ASKED),
    "RedriveDown": Case(
        [*_BEGUN, *_READ, "Redrive Held", "Redrive Stopped"],
        error="RedriveStopped",
        given=_ASKED,
    ),
    "DryRun": Case([*_DUE, "Describe History"], {"Describe History": 2}, given=_ASKED | {"dryRun": True}),
    "NothingDue": Case(
        [*_DUE, "Nothing Due"],
        given={"name": "/mark-event-queue/clients/original", "operation": "Update", "type": "String"},
    ),
    "Stop": Case([*_DUE, "Nothing Due"], given=_ASKED | {"stop": True}),
    "Resumed": Case(
        [*_DUE, "Wait Until Resumed", *_UP_TO_DATE],
        given={"name": "/mark-event-queue/clients/original", "operation": "Update", "type": "String"},
    ),
    "OneMark": Case(
        [*_CLOSED, *_BRING, *_UP_TO_DATE], {"Close Mark": 2, "Bring Mark": 2}, given=_ASKED | {"mark": "AFC F7"}
    ),
    "OneMarkInSteps": Case(
        [*_CLOSED, *_BRING, *_BRING, "Wait For Mark", *_BRING, *_UP_TO_DATE], given=_ASKED | {"mark": "AFC F7"}
    ),
    "OneMarkRefused": Case(
        [*_CLOSED, *_BRING, "History Stopped"], error="HistoryStopped", given=_ASKED | {"mark": "AFC F7"}
    ),
    "BadRequest": Case(
        ["Check Request"], {"Check Request": 1}, error="HistoryRequestError", given=_ASKED | {"speed": 7}
    ),
    "UnknownClient": Case(
        ["Check Request"], {"Check Request": 1}, error="UnknownClientError", given={"client": "nobody"}
    ),
    "TableDown": Case(
        ["Check Request"], {"Check Request": 5}, error="HeldEventsUnavailableError", given=_ASKED
    ),
}  # fmt: skip

EXPECTED: dict[str, dict[str, Case]] = {DELIVER: _DELIVERIES, REDRIVE: _REDRIVES, HISTORY: _HISTORIES}
