"""What every mocked case has to come to, whichever engine runs it: this process's, or Step Functions Local."""

from typing import Any, NamedTuple

from tests.statemachine.cases import DELIVER, HISTORY, REDRIVE

CLIENT = {
    "name": "original",
    "queueUrl": "https://sqs.eu-west-2.amazonaws.com/123456789012/MarkFanOutClientQueue.fifo",
    "selects": "",
}
FAR, PASSED = "2999-12-31T23:59:59Z", "2020-01-01T00:00:00Z"

_BATCH: dict[str, Any] = {
    "batch": {"events": [{"eventId": "1"}], "held": {"recipients": [], "atGate": False}},
    "clients": [CLIENT], "released": False, "storesDeadline": FAR, "deadline": FAR,
}  # fmt: skip


def _held(*recipients: str) -> dict[str, Any]:
    """Return the input of a batch before which something was held of these recipients."""
    held = {"recipients": list(recipients), "atGate": "gate" in recipients}
    return _BATCH | {"batch": _BATCH["batch"] | {"held": held}}


class Case(NamedTuple):
    """What a case is given, and what it has to come to.

    `way` names the states it comes by, in order, `tries` the Tasks that are tried other than once per
    visit, `parked` how many events a delivery parks, `error` the name of the error it fails with. The deadlines
    pass before the state `late_at` is entered, if that is named: only an interpreter with a clock of ours can do it.
    """

    way: list[str]
    tries: dict[str, int] = {}  # noqa: RUF012 - never changed
    parked: int = 0
    error: str = ""
    given: dict[str, Any] = _BATCH
    late_at: str = ""


_VALIDATED = ["Validate Events", "Held At Gate?"]
_ROUND_WRITTEN = ["Write Round", "Write Wave", "All Written?"]
_WRITTEN_IN_PART = [*_ROUND_WRITTEN, "Write Refused Alone", "Write Refused Event", "All Written?"]
_TO_CLIENTS = ["Stores In Time?", "Deliver To Clients"]
_IN_TIME = [*_TO_CLIENTS, "Needs Selection?"]
_UP_TO_CLIENT = [*_VALIDATED, *_ROUND_WRITTEN, *_IN_TIME]
_GATE_HELD = [*_VALIDATED, "Hold At Gate", *_ROUND_WRITTEN, *_IN_TIME]
_TWO_WAVES_WRITTEN = [
    *_VALIDATED, "Write Round", "Write Wave", "Write Wave", "All Written?", "Next Round To Write", *_ROUND_WRITTEN,
    *_IN_TIME,
]  # fmt: skip
_THREE_ROUNDS_WRITTEN = [*_VALIDATED, *[*_ROUND_WRITTEN, "Next Round To Write"] * 2, *_ROUND_WRITTEN, *_IN_TIME]

_CALLED = ["Send Round", "Send Wave"]
_ROUND_SENT = [*_CALLED, "All Accepted?"]
_ANOTHER_ROUND = ["Next Round", "Rounds To Send?"]
_ALONE = ["Send Refused Alone", "Time For Another Try?", "Send Refused Event"]
_REFUSED = [*_ROUND_SENT, *_ALONE]
_REFUSED_FOR_GOOD = [*_REFUSED, "Refused For Good", "Any Refused For Good?", "Park Events"]
_ONE_WAVE_LOST = [*_CALLED, "Access Refused?", "Wave Refused", "Send Wave", "All Accepted?"]
_SERVED = ["Client Served", "Withheld Left?"]
_HANDLED = [*_SERVED, "Batch Handled"]
_DELIVERED = [*_ROUND_SENT, *_HANDLED]
_REST_PARKED = ["Park Events", "Rounds To Send?", *_HANDLED]
_WAVE_LOST = ["Wave Refused", "All Accepted?", *_REST_PARKED]

_DELIVERIES = {
    "AllDelivered": Case([*_UP_TO_CLIENT, *_DELIVERED]),
    "SeveralRounds": Case([*_THREE_ROUNDS_WRITTEN, *[*_ROUND_SENT, *_ANOTHER_ROUND] * 2, *_DELIVERED]),
    "SeveralWaves": Case(
        [*_TWO_WAVES_WRITTEN, "Send Round", "Send Wave", "Send Wave", "All Accepted?", *_ANOTHER_ROUND, *_DELIVERED]
    ),
    "NothingToDeliver": Case(
        [*_VALIDATED, "Write Round", "All Written?", *_IN_TIME, "Send Round", "All Accepted?", *_HANDLED]
    ),
    "NoClients": Case(
        [*_VALIDATED, *_ROUND_WRITTEN, *_TO_CLIENTS, "Withheld Left?", "Batch Handled"],
        given=_BATCH | {"clients": []},
    ),
    "RejectedHeldAtGate": Case([*_GATE_HELD, *_DELIVERED]),
    "FollowersHeldAtGate": Case([*_GATE_HELD, *_DELIVERED], given=_held("gate")),
    "RestHeldAtGate": Case([*_GATE_HELD, *_ROUND_SENT, *_SERVED, "Hold Rest At Gate", "Batch Handled"]),
    "GateDown": Case([*_VALIDATED, "Hold At Gate"], {"Hold At Gate": 5}, error="HeldEventsUnavailableError"),
    "GateDownForTheRest": Case(
        [*_GATE_HELD, *_ROUND_SENT, *_SERVED, "Hold Rest At Gate"],
        {"Hold Rest At Gate": 5},
        error="HeldEventsUnavailableError",
    ),
    "Released": Case(
        [*_UP_TO_CLIENT, *_ROUND_SENT, *_SERVED, "Batch Released"], given=_held("gate") | {"released": True}
    ),
    "ValidatorThrottledThenValidates": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Validate Events": 3}),
    "ValidatorDown": Case(["Validate Events"], {"Validate Events": 5}, error="Lambda.ServiceException"),
    "FanOutThrottledThenWritten": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Write Wave": 3}),
    "FanOutPartlyRefusedThenWritten": Case(
        [*_VALIDATED, *_WRITTEN_IN_PART, *_IN_TIME, *_DELIVERED], {"Write Refused Event": 2}
    ),
    "FanOutPartlyRefusedBeforeMoreRounds": Case(
        [
            *_VALIDATED, *_WRITTEN_IN_PART, *["Next Round To Write", *_ROUND_WRITTEN] * 2, *_IN_TIME,
            *[*_ROUND_SENT, *_ANOTHER_ROUND] * 2, *_DELIVERED,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutPartlyRefusedInLastRound": Case(
        [
            *_VALIDATED, *[*_ROUND_WRITTEN, "Next Round To Write"] * 2, *_WRITTEN_IN_PART, *_IN_TIME,
            *[*_ROUND_SENT, *_ANOTHER_ROUND] * 2, *_DELIVERED,
        ],
        {"Write Refused Event": 2},
    ),
    "FanOutPartlyRefusedInTwoWaves": Case(
        [
            *_VALIDATED, "Write Round", "Write Wave", "Write Wave", "All Written?",
            "Write Refused Alone", "Write Refused Event", "Write Refused Event", "All Written?",
            "Next Round To Write", *_ROUND_WRITTEN, *_IN_TIME,
            "Send Round", "Send Wave", "Send Wave", "All Accepted?", *_ANOTHER_ROUND, *_DELIVERED,
        ]
    ),
    "FanOutDown": Case(
        [*_VALIDATED, "Write Round", "Write Wave"], {"Write Wave": 5}, error="Sqs.SqsException"
    ),
    "ClientHasHeldSequences": Case(
        [*_UP_TO_CLIENT, "Select Events", "Rounds To Send?", *_DELIVERED], parked=1, given=_held("original")
    ),
    "ClientHeldSinceTheBatchBegan": Case(
        [*_GATE_HELD, "Select Events", "Rounds To Send?", *_DELIVERED], parked=1
    ),
    "MarkForgotten": Case([*_VALIDATED, "Forget Marks", *_IN_TIME, *_DELIVERED]),
    "ForgettingDown": Case(
        [*_VALIDATED, "Forget Marks"], {"Forget Marks": 5}, error="HeldEventsUnavailableError"
    ),
    "ClientHasFilter": Case(
        [*_UP_TO_CLIENT, "Select Events", "Rounds To Send?", *_DELIVERED],
        given=_BATCH | {"clients": [CLIENT | {"selects": "*"}]},
    ),
    "ClientIsPaused": Case(
        [*_UP_TO_CLIENT, "Select Events", "Rounds To Send?", *_HANDLED],
        parked=2,
        given=_BATCH | {"clients": [CLIENT | {"selects": "*"}]},
    ),
    "ClientHasHadHistory": Case(
        [*_UP_TO_CLIENT, *_DELIVERED],
        given=_held("/0123456789ab") | {"clients": [CLIENT | {"selects": "/0123456789ab"}]},
    ),
    "SelectionDown": Case(
        [*_UP_TO_CLIENT, "Select Events"],
        {"Select Events": 5},
        error="HeldEventsUnavailableError",
        given=_held("original"),
    ),
    "SelectionComesLate": Case(
        [*_UP_TO_CLIENT, "Select Events", "Rounds To Send?", "Out Of Time", *_REST_PARKED],
        parked=2,
        given=_held("original") | {"deadline": PASSED},
    ),
    "ClientThrottledThenAccepted": Case([*_UP_TO_CLIENT, *_DELIVERED], {"Send Wave": 3}),
    "ClientQueueMissing": Case([*_UP_TO_CLIENT, *_CALLED, *_WAVE_LOST], {"Send Wave": 1}, parked=2),
    "ClientAccessRefused": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Access Refused?", *_WAVE_LOST], {"Send Wave": 1}, parked=2
    ),
    "ClientFaultThenAccepted": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Access Refused?", "Send Wave Again", "All Accepted?", *_HANDLED],
        {"Send Wave": 1, "Send Wave Again": 1},
    ),
    "ClientThrottledAs403ThenAccepted": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Access Refused?", "Send Wave Again", "All Accepted?", *_HANDLED],
        {"Send Wave": 1, "Send Wave Again": 1},
    ),
    "ClientFaultForGood": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Access Refused?", "Send Wave Again", *_WAVE_LOST],
        {"Send Wave": 1, "Send Wave Again": 3},
        parked=2,
    ),
    "ClientFaultThenQueueMissing": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Access Refused?", "Send Wave Again", *_WAVE_LOST],
        {"Send Wave": 1, "Send Wave Again": 1},
        parked=2,
    ),
    "ClientLosesOneWave": Case(
        [*_TWO_WAVES_WRITTEN, *_ONE_WAVE_LOST, "Park Events", "Rounds To Send?", *_DELIVERED],
        {"Send Wave": 3},
        parked=11,
    ),
    "ClientLosesOneWaveAcceptsRefused": Case(
        [
            *_TWO_WAVES_WRITTEN, *_ONE_WAVE_LOST, *_ALONE, "Any Refused For Good?",
            "Park Events", "Rounds To Send?", *_DELIVERED,
        ],
        {"Send Wave": 3},
        parked=11,
    ),
    "ClientLosesOneWaveAndOneEvent": Case(
        [
            *_TWO_WAVES_WRITTEN, *_ONE_WAVE_LOST, *_ALONE, "Refused For Good",
            "Any Refused For Good?", "Park Events", "Rounds To Send?", *_DELIVERED,
        ],
        {"Send Wave": 3, "Send Refused Event": 4},
        parked=12,
    ),
    "ClientPartlyRefusedThenAccepted": Case(
        [*_UP_TO_CLIENT, *_REFUSED, "Any Refused For Good?", *_HANDLED], {"Send Refused Event": 2}
    ),
    "ClientPartlyRefusedBeforeMoreRounds": Case(
        [
            *_THREE_ROUNDS_WRITTEN, *_REFUSED, "Any Refused For Good?", *_ANOTHER_ROUND,
            *_ROUND_SENT, *_ANOTHER_ROUND, *_DELIVERED,
        ],
        {"Send Refused Event": 2},
    ),
    "ClientPartlyRefusedForGood": Case(
        [*_UP_TO_CLIENT, *_REFUSED_FOR_GOOD, "Rounds To Send?", *_HANDLED], {"Send Refused Event": 4}, parked=1
    ),
    "ClientPartlyRefusedTooLate": Case(
        [
            *_UP_TO_CLIENT, *_ROUND_SENT, "Send Refused Alone", "Time For Another Try?", "Refused Too Late",
            "Any Refused For Good?", "Park Events", "Rounds To Send?", *_HANDLED,
        ],
        parked=1,
        late_at="Time For Another Try?",
    ),
    "ClientPartlyRefusedThenQueueMissing": Case(
        [*_UP_TO_CLIENT, *_REFUSED_FOR_GOOD, "Rounds To Send?", *_HANDLED], {"Send Refused Event": 1}, parked=1
    ),
    "ClientRefusesInLaterRound": Case(
        [
            *_THREE_ROUNDS_WRITTEN, *_ROUND_SENT, *_ANOTHER_ROUND,
            *_REFUSED_FOR_GOOD, "Rounds To Send?", *_HANDLED,
        ],
        {"Send Refused Event": 4},
        parked=2,
    ),
    "StoresTooSlow": Case(
        [*_VALIDATED, *_ROUND_WRITTEN, "Stores In Time?", "Stores Too Slow"],
        error="StoresTooSlow",
        given=_BATCH | {"storesDeadline": PASSED},
    ),
    "ClientTurnComesLate": Case(
        [*_UP_TO_CLIENT, "Out Of Time", *_REST_PARKED], parked=2, given=_BATCH | {"deadline": PASSED}
    ),
    "ParkingDown": Case(
        [*_UP_TO_CLIENT, *_CALLED, "Wave Refused", "All Accepted?", "Park Events"],
        {"Park Events": 5},
        error="HeldEventsUnavailableError",
    ),
    "ParkingOfRefusedDown": Case(
        [*_UP_TO_CLIENT, *_REFUSED_FOR_GOOD], {"Park Events": 5}, error="HeldEventsUnavailableError"
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
    "RefusedForGood": Case([*_BEGUN, *_READ, "History Failed"], error="HistoryFailed", given=_ASKED),
    "StoppedMeanwhile": Case([*_BEGUN, *_READ, "History Stopped"], given=_ASKED),
    "GoesOn": Case([*_BEGUN, *_READ, *_UP_TO_DATE], given=_ASKED),
    "SegmentDown": Case(
        [*_BEGUN, "Read Segments", "Read Segment", "Segment Failed", *_READ[4:], "History Failed"],
        {"Read Segment": 5},
        error="HistoryFailed",
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
        [*_CLOSED, *_BRING, "History Failed"], error="HistoryFailed", given=_ASKED | {"mark": "AFC F7"}
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
