"""The processes: what the definitions of the two state machines, and the converter, do with the real functions.

The order of the stages is that of statemachines/deliver-events.asl.json and redrive-events.asl.json, and each is
named as its state there. Not here: the fan-out queue unless a scope asks for it (whoever holds or sends reads
nothing of it), deadlines (what is out of time is parked, as a refused wave is), and counts that are only told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mark_event_queue.adapters.held_events import HeldEventsTable
from mark_event_queue.domain.contract import Contracts, Judgement, Violation
from mark_event_queue.domain.errors import BatchNotDeliveredError, RedriveRequestError
from mark_event_queue.domain.holding import hold_followers
from mark_event_queue.domain.rounds import plan
from mark_event_queue.gate.gate import hold_at_gate
from mark_event_queue.parking.parking import park
from mark_event_queue.redrive.redrive import aim, conclude, discard, list_lanes, redrive_lane
from mark_event_queue.redrive.request import parse
from mark_event_queue.release.release import release_lane
from mark_event_queue.validator.validation import validate
from tests.checker.replay import (
    TABLE,
    Died,
    Done,
    DynamoDBPort,
    Fork,
    Go,
    Outcome,
    PipelinePort,
    Port,
    QueuePort,
    Stage,
    always,
    held,
    without_counts,
)

FAN_OUT = "fan-out"
_NOTHING_TO_SEND = plan([])
_NO_TOTALS = {"sequences": 0, "delivered": 0, "stoppedSequences": 0, "errors": []}


@dataclass(frozen=True)
class Code:
    """The code under check; a mutant replaces a part of it."""

    table: Callable[..., HeldEventsTable] = HeldEventsTable
    hold_at_gate: Callable[..., Any] = hold_at_gate
    park: Callable[..., Any] = park
    select: Callable[..., Any] = hold_followers
    redrive_lane: Callable[..., Any] = redrive_lane
    release_lane: Callable[..., Any] = release_lane
    conclude: Callable[..., Any] = conclude


class _Deployed(Contracts):
    """The contract after so many deployments: an event's body says from which one on it is valid."""

    def __init__(self, level: int) -> None:
        self._level = level

    def judge(self, body: str) -> Judgement:
        """Return a violation as long as it is one."""
        valid = self._level >= int(body)
        return Judgement("Event", ["1.0.0"] if valid else [], [] if valid else [Violation("", "broken")])


class Processes:
    """The stages by name, for a scope's clients."""

    def __init__(self, code: Code, clients: list[str], fan_out: bool) -> None:
        self._code = code
        self._clients = [{"name": name, "queueUrl": name, "selects": ""} for name in clients]
        self._fan_out = fan_out
        self.stages: dict[str, Stage] = {
            "Converter": self._converter,
            "Validate Events": self._validate,
            "Hold At Gate": self._hold_at_gate,
            "Write Round": self._write,
            "Deliver To Clients": self._deliver,
            "Needs Selection?": self._needs_selection,
            "Select Events": self._select,
            "Send Round": self._send_round,
            "Send Wave": self._send_wave,
            "Park Events": self._park,
            "All Accepted?": self._all_accepted,
            "Withheld Left?": self._withheld_left,
            "Hold Rest At Gate": self._hold_rest,
            "Check Request": self._check,
            "Discard Events": self._discard,
            "List Sequences": self._list,
            "Redrive Lanes": self._redrive_lanes,
            "Redrive Lane": self._redrive_lane,
            "Release Lane": self._release_lane,
            "Conclude Redrive": self._conclude,
        }

    def _table(self, port: Port) -> HeldEventsTable:
        return self._code.table(TABLE, DynamoDBPort(port))

    # ------------------------------------------------------------------------------------------------------------------
    # The converter, and a delivery
    # ------------------------------------------------------------------------------------------------------------------
    def _converter(self, data: Any, port: Port) -> Outcome:
        """Run one execution per batch; one that fails, or whose answer is lost, is started again."""
        if not data:
            return Done()
        answer = port.ask("execute", batch={"events": data[0], "held": held(port)}, released=False)
        return Go("Converter", data if answer is None else data[1:])

    def _validate(self, data: Any, port: Port) -> Outcome:
        level = port.ask("contract")
        batch = validate(data["batch"], self._clients, _Deployed(level), hold_marks=True)
        to_gate = not data["released"] and (batch["withheld"] or batch["held"]["atGate"])
        return Go("Hold At Gate" if to_gate else self._after_gate, {"released": data["released"], "batch": batch})

    @property
    def _after_gate(self) -> str:
        return "Write Round" if self._fan_out else "Deliver To Clients"

    def _hold_at_gate(self, data: Any, port: Port) -> Outcome:
        batch = self._code.hold_at_gate(data["batch"], self._table(port), True)
        return Go(self._after_gate, {**data, "batch": batch})

    def _write(self, data: Any, port: Port) -> Outcome:
        for wave in data["batch"]["plan"]["waves"]:
            if port.ask("send", queue=FAN_OUT, entries=wave)["refused"]:
                return Died()
        return Go("Deliver To Clients", data)

    def _deliver(self, data: Any, port: Port) -> Outcome:
        plan = without_counts(data["batch"]["plan"])
        recipients = data["batch"]["held"]["recipients"]
        children = [
            Go("Needs Selection?", {"client": one["name"], "isHeld": one["name"] in recipients, "plan": plan})
            for one in self._clients
        ]
        left = {"released": data["released"], "withheld": data["batch"]["withheld"]}
        return Fork(children, Go("Withheld Left?", left))

    def _needs_selection(self, data: Any, port: Port) -> Outcome:
        on = {"client": data["client"], "plan": data["plan"]}
        return Go("Select Events" if data["isHeld"] else "Send Round", on)

    def _select(self, data: Any, port: Port) -> Outcome:
        plan = self._code.select(data["client"], data["plan"], self._table(port))
        return Go("Send Round", {"client": data["client"], "plan": without_counts(plan)})

    def _send_round(self, data: Any, port: Port) -> Outcome:
        plan = data["plan"]
        if plan["cursor"] > plan["last"]:
            return Done()
        waves = [plan["waves"][place] for place in plan["now"]]
        children = [Go("Send Wave", {"client": data["client"], "wave": wave}) for wave in waves]
        return Fork(children, Go("All Accepted?", data))

    def _send_wave(self, data: Any, port: Port) -> Outcome:
        answer = port.ask("send", queue=data["client"], entries=data["wave"])
        if answer.get("again"):
            return Go("Send Wave", data)
        if not answer["refused"]:
            return Done({})
        return Done({"lost" if answer["whole"] else "refused": answer["refused"]})

    def _all_accepted(self, data: Any, port: Port) -> Outcome:
        came_of_it = data["results"]
        lost = [one["lost"] for one in came_of_it if "lost" in one]
        refused = [id_ for one in came_of_it for id_ in one.get("refused", ())]
        on, plan = {"client": data["client"]}, data["plan"]
        if lost or refused:
            resent = {"refused": refused, "errors": ["Fault"] * len(refused)}
            sent = {"lost": lost, "errors": ["Fault"] * len(lost), "resent": resent}
            return Go("Park Events", {**on, "plan": plan, "sent": sent})
        cursor = plan["cursor"] + 1
        now = plan["rounds"][cursor] if cursor <= plan["last"] else []
        return Go("Send Round", {**on, "plan": {**plan, "now": now, "cursor": cursor}})

    def _park(self, data: Any, port: Port) -> Outcome:
        plan = self._code.park(data, self._table(port))
        return Go("Send Round", {"client": data["client"], "plan": without_counts(plan)})

    def _withheld_left(self, data: Any, port: Port) -> Outcome:
        if data["released"] or not data["withheld"]:
            return Done({"withheld": data["withheld"]})
        return Go("Hold Rest At Gate", data["withheld"])

    def _hold_rest(self, data: Any, port: Port) -> Outcome:
        rest = {"plan": _NOTHING_TO_SEND, "withheld": data, "counts": {"valid": 0, "rejected": 0, "behind": 0}}
        self._code.hold_at_gate(rest, self._table(port), True)
        return Done({})

    # ------------------------------------------------------------------------------------------------------------------
    # A redrive, a release, a discard
    # ------------------------------------------------------------------------------------------------------------------
    def _check(self, data: Any, port: Port) -> Outcome:
        try:
            request = aim(parse(data).as_state(), self._table(port))
        except RedriveRequestError:
            return Done()
        return Go("Discard Events" if request["action"] == "discard" else "List Sequences", {"request": request})

    def _discard(self, data: Any, port: Port) -> Outcome:
        discard(data["request"], self._table(port), always)
        return Go("List Sequences", data)

    def _list(self, data: Any, port: Port) -> Outcome:
        request = data["request"]
        page = data.get("page", {"after": "", "listed": False, "turn": 0})
        asked = {"page": page, "totals": _NO_TOTALS, "lanes": data.get("results", [])}
        listed = list_lanes({**request, **asked}, self._table(port))
        if listed["page"]["lanes"]:
            return Go("Redrive Lanes", {"request": request, "page": listed["page"]})
        return Go("Conclude Redrive", request)

    def _redrive_lanes(self, data: Any, port: Port) -> Outcome:
        request = data["request"]
        kind = "Release Lane" if request["atGate"] else "Redrive Lane"
        lane = {"recipient": request["recipient"], "queueUrl": request["recipient"]}
        page = data["page"]
        children = [Go(kind, {**lane, "groupIds": group_ids}) for group_ids in page.pop("lanes")]
        return Fork(children, Go("List Sequences", data))

    def _redrive_lane(self, data: Any, port: Port) -> Outcome:
        left = self._code.redrive_lane(data, self._table(port), QueuePort(port), always)
        return Done({"groupIds": left["groupIds"], "delivered": 0, "stopped": []})

    def _release_lane(self, data: Any, port: Port) -> Outcome:
        try:
            left = self._code.release_lane(data, self._table(port), PipelinePort(port), True, always)
        except BatchNotDeliveredError:  # the state Lane Stopped
            return Done({"groupIds": [], "delivered": 0, "stopped": []})
        return Done({"groupIds": left["groupIds"], "delivered": 0, "stopped": []})

    def _conclude(self, data: Any, port: Port) -> Outcome:
        told = {"request": {"recipient": data["recipient"], "discarded": 0}, "totals": _NO_TOTALS}
        self._code.conclude(told, self._table(port))
        return Done()
