"""Unit tier, `meq pause`, `resume` and `history`: proves what they change and ask, what they print, and how they end.

As in test_meq.py, whose world this is; that the machines do what they are asked is for tests/e2e.
"""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mark_event_queue.adapters.histories import HistoriesTable
from mark_event_queue.domain.clients import history_of
from mark_event_queue.domain.held import PAUSED
from mark_event_queue.domain.history import Passed, Progress, Segment
from mark_event_queue.domain.rounds import entry_of
from meq import pausing
from tests.builders import client, entries, event_id, event_input, item
from tests.unit.test_meq import BROKEN, PATH, TABLE, World, _redriven, _succeeded, moto, world

__all__ = ["moto", "world"]

QUEUE = client("Police")["queueUrl"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is in flight that a test would have to wait for."""
    monkeypatch.setattr(pausing, "SETTLE_SECONDS", 0)


def _registration(world: World, name: str = "Police") -> dict[str, Any]:
    value = world.services["ssm"].get_parameter(Name=f"{PATH}/{name}")["Parameter"]["Value"]
    said: dict[str, Any] = json.loads(value)
    return said


def _description(world: World) -> str:
    (told,) = world.services["ssm"].describe_parameters(
        ParameterFilters=[{"Key": "Name", "Values": [f"{PATH}/Police"]}]
    )["Parameters"]
    return str(told.get("Description", ""))


def test_pause_keeps_all_else_that_a_registration_says(world):
    """Only `paused` is put in; why and by whom is said where the parameter is looked at."""
    said = {"queueUrl": QUEUE, "filter": {"type": "object"}, "notices": ["forgotten"]}
    world.register("Police", json.dumps(said))

    told = world.json("pause", "Police", "--reason", "moving house", "--by", "jo")

    assert told == {"client": "Police", "reason": "moving house", "by": "jo", "done": True}
    assert _registration(world) == said | {"paused": True}
    assert _description(world) == "Paused by jo: moving house"
    assert "meq resume Insurer" in world.meq("pause", "Insurer", "--reason", "x", "--by", "jo").stdout


@pytest.mark.parametrize(
    ("arguments", "value", "problem"),
    [
        (("pause", "Police", "--reason", "x", "--by", "jo"), {"queueUrl": QUEUE, "paused": True}, "paused already"),
        (("pause", "Polite", "--reason", "x", "--by", "jo"), {"queueUrl": QUEUE}, "Did you mean Police?"),
        (("pause", "Police", "--reason", "x", "--by", "jo"), {"queue": QUEUE}, "Correct that first"),
        (("pause", "gate", "--reason", "x", "--by", "jo"), {"queueUrl": QUEUE}, "The gate is no client"),
        (("resume", "Police"), {"queueUrl": QUEUE}, "is not paused"),
        (("history", "Polite"), {"queueUrl": QUEUE}, "Did you mean Police?"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(world, arguments, value, problem):
    """The error says what to do instead."""
    world.register("Police", json.dumps(value))

    result = world.meq(*arguments)

    assert (result.exit_code, problem in result.stderr) == (2, True)
    assert _registration(world) == value
    assert world.machine.started == []


def test_resume_lets_go_what_the_pause_held(world):
    """The pause ends, then a redrive is asked for as long as anything of it is held."""
    world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))
    held = entries(["A", "A"])
    world.table.hold("Police", [held], PAUSED, "")

    def redriven() -> dict[str, Any]:
        world.table.forget("Police", held, {})
        for recipient, group_id in (("Police", "A"), ("Police", "")):
            world.table.end(recipient, group_id, world.table.version(recipient, group_id))
        return _redriven(delivered=2)

    class Machine(type(world.machine)):
        def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803
            return redriven()

    world.machine = Machine()

    told = world.json("resume", "Police")

    ended = {"delivered": 2, "errors": [], "stillHeld": 0, "interrupted": False, "failed": False}
    assert told == {"client": "Police"} | ended
    assert _registration(world) == {"queueUrl": QUEUE}
    assert [asked["client"] for asked in world.machine.started] == ["Police"]


def test_resume_says_what_stays(world):
    """A queue that refuses is no success: the errors, how much is held, and exit code 1."""
    world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))
    world.table.hold("Police", [entries(["A"])], PAUSED, "")
    world.machine.answers = [_redriven(0, "AccessDenied")]

    result = world.meq("resume", "Police")

    assert (result.exit_code, "AccessDenied" in result.stdout) == (1, True)


def test_resume_tells_a_failed_execution_from_a_queue_that_refuses(world):
    """Whoever mends the queue would wait in vain."""
    for answer in ({"status": "FAILED", "error": "States.Timeout"}, _redriven(0, "AccessDenied")):
        world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))
        world.table.hold("Police", [entries(["A"])], PAUSED, "")
        world.machine.answers += [answer] * 2

        text = world.meq("resume", "Police").stdout
        world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))
        told = json.loads(world.meq("resume", "Police", "--json").stdout)

        failed = answer["status"] == "FAILED"
        assert ("failed: States.Timeout" in text, "Its queue refuses" in text) == (failed, not failed)
        assert told["failed"] == failed


def test_resume_without_waiting_only_ends_the_pause(world):
    """On AWS a rule sees the change and has the rest done."""
    world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))

    assert world.meq("resume", "Police", "--no-wait").exit_code == 0
    assert (_registration(world), world.machine.started) == ({"queueUrl": QUEUE}, [])


def _late_joiner(world: World, progress: Progress) -> None:
    world.register("Police", json.dumps({"queueUrl": QUEUE, "from": "beginning"}))
    histories = HistoriesTable(TABLE, world.services["dynamodb"])
    histories.begin("Police", history_of("Police", "beginning"), "run1", 2)
    for number, segment in enumerate((Segment(done=True, counts=(3, 30, 2, 1, 4)), Segment(counts=(1, 5, 0, 0, 0)))):
        _, holder = histories.claim("Police", "run1", number)
        assert histories.save("Police", "run1", number, segment, holder)
    histories.list_passed("Police", [Passed("A", "2025-01-01T00:00:00Z", "e1", '[{"path":"/x","rule":"enum"}]')])
    histories.move("Police", "run1", progress)


FAR = {"segments": 2, "segmentsDone": 1, "marks": 4, "sent": 35, "filtered": 2, "passedOver": 1, "leftToGate": 4}


def test_history_is_asked_for_and_told(world):
    """What is not said is left to the machine; what came of it is told with its counts."""
    _late_joiner(world, Progress.DONE)
    world.machine.answers = [{"status": "RUNNING"}, _succeeded({})]

    result = world.meq("history", "Police", "--rate", "50", "--again", "--json")

    assert result.exit_code == 0
    assert world.machine.started == [{"client": "Police", "again": True, "eventsPerSecond": 50}]
    told = json.loads(result.stdout)
    assert (told["status"], told["history"]) == ("SUCCEEDED", FAR | {"progress": "done"})
    assert "35 events sent, 1 of 2 parts read" in result.stderr


def test_a_history_that_was_stopped_is_not_told_as_delivered(world):
    """What comes is held, and how to go on is said."""
    _late_joiner(world, Progress.STOPPED)
    world.machine.answers = [_succeeded({})]

    told = world.meq("history", "Police", "--stop").stdout

    assert told == "The history of Police is stopped; what comes is held. Go on: meq history Police\n"


def test_a_history_that_somebody_else_stops_is_not_told_as_delivered(world):
    """Whoever waited for it did not get what was asked: exit code 1, and the same word on how to go on."""
    _late_joiner(world, Progress.STOPPED)
    world.machine.answers = [_succeeded({"outcome": "stopped"})] * 2

    result = world.meq("history", "Police")
    told = json.loads(world.meq("history", "Police", "--json").stdout)

    assert result.exit_code == 1
    assert result.stdout == "The history of Police is stopped; what comes is held. Go on: meq history Police\n"
    assert (told["status"], told["stopped"], told["errors"]) == ("SUCCEEDED", True, ["it was stopped meanwhile"])


def test_a_history_that_fails_says_why_and_how_to_go_on(world):
    """The error of the execution, exit code 1."""
    _late_joiner(world, Progress.FAILED)
    world.machine.answers = [{"status": "FAILED", "error": "HistoryFailed", "cause": "The client's queue refused."}]

    result = world.meq("history", "Police")

    assert result.exit_code == 1
    assert "HistoryFailed: The client's queue refused." in result.stdout
    assert "meq history Police" in result.stdout


@pytest.mark.parametrize("command", [["redrive"], ["redrive", "--dry-run"], ["discard", "A", "--reason", "r"]])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"paused": True}, "is paused: what is held for it waits until it is resumed.\nResume it: meq resume Police"),
        ({"from": "beginning"}, "is pending: what is held for it follows by itself"),
        ({"from": "beginning", "paused": True}, "is paused"),
        ({"queueUrl": 7}, "there is no queue to deliver to"),
    ],
)
def test_what_would_fail_is_refused_before_it_starts(world, command, said, told):
    """The text says what to do instead; to give up all that is held sends nothing, and goes through."""
    world.register("Police", json.dumps({"queueUrl": QUEUE} | said))
    world.park("Police", entries(["A"]))
    by = ["--by", "jo"] if command[0] == "discard" else []

    result = world.meq(command[0], "Police", *command[1:], *by)

    assert (result.exit_code, told in result.stderr, world.machine.started) == (2, True, [])
    world.machine.answers = [_redriven()]
    assert world.meq("discard", "Police", "--all", "--reason", "r", "--by", "jo").exit_code == 0


def test_a_client_is_redriven_once_its_history_is_done(world):
    """Until then what is held follows it by itself; meq says how to go on with one that has stopped."""
    _late_joiner(world, Progress.STOPPED)
    world.park("Police", entries(["A"]))
    assert "Or go on".casefold() in world.meq("redrive", "Police").stderr.casefold()
    _late_joiner(world, Progress.DONE)
    world.machine.answers = [_redriven(1)]
    assert world.meq("redrive", "Police").exit_code == 0


def test_a_dry_run_tells_how_much_it_would_be(world):
    """As the machine reckoned it."""
    would = {"client": "Police", "events": 10, "bytes": 5_000_000, "readUnits": 1_221, "secondsAtLeast": 1}
    world.machine.answers = [_succeeded(would)]

    assert world.json("history", "Police", "--dry-run") == would


def test_what_history_passed_over_is_listed_with_its_rules(world):
    """Which events, and which rules they break; nothing that they hold."""
    _late_joiner(world, Progress.DONE)

    (passed,) = world.json("history", "Police", "--passed")

    assert passed == {
        "mark": "A",
        "createTime": "2025-01-01T00:00:00Z",
        "eventId": "e1",
        "violations": [{"path": "/x", "rule": "enum"}],
    }
    assert "/x enum" in world.meq("history", "Police", "--passed").stdout


def test_clients_tells_what_each_asked_for_and_how_far_it_is(world):
    """Terms, and the progress of the history that the registration names now."""
    _late_joiner(world, Progress.RUNNING)
    world.register("Insurer", json.dumps({"queueUrl": client("Insurer")["queueUrl"], "from": "2026-01-01T00:00:00Z"}))

    insurer, police = world.json("clients")

    assert police["history"] == FAR | {"progress": "running"}
    assert insurer["history"]["progress"] == "pending"
    assert "history from beginning: running, 35 events, 1 of 2 parts" in world.meq("clients").stdout


# ----------------------------------------------------------------------------------------------------------------------
# Why a client did or did not get an event
# ----------------------------------------------------------------------------------------------------------------------
class ProducerFake:
    """The producer's table and the converter's stream, beside the table of what waits."""

    def __init__(self, waits: Any, items: list[dict[str, Any]]) -> None:
        self._waits, self.items = waits, items

    def __getattr__(self, name: str) -> Any:
        return getattr(self._waits, name)

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Tell which stream the converter reads."""
        return {"EventSourceMappings": [{"EventSourceArn": "arn:aws:dynamodb:eu-west-2:1:table/Events/stream/x"}]}

    def get_paginator(self, operation: str) -> Any:
        """Return what reads either table."""

        def paginate(**asked: Any) -> Any:
            if asked["TableName"] != "Events":
                return self._waits.get_paginator(operation).paginate(**asked)
            ((name, value),) = asked["ExpressionAttributeValues"].items()
            attribute = {":mark": "mark", ":id": "eventId"}[name]
            return [{"Items": [one for one in self.items if one[attribute] == value]}]

        return SimpleNamespace(paginate=paginate)


def _produced(world: World, *items: dict[str, Any]) -> None:
    fake = ProducerFake(world.services["dynamodb"], list(items))
    world.services |= {"dynamodb": fake, "lambda": fake}


def _explained(world: World, *arguments: str) -> dict[str, Any]:
    result = world.meq("explain", *arguments, "--json")
    assert result.exit_code == 0, result.output
    (told,) = json.loads(result.stdout)
    assert "nomineeName" not in result.output
    return dict(told)


FUTURE = {"S": "2999-01-01T00:00:00Z"}


def test_explain_says_what_waits_and_why(world):
    """Held for the client, or quarantined for everybody with the rule."""
    _produced(world, item(1, "A"), item(2, "B"))
    world.park("Police", entries(["A"]))
    world.quarantine([entry_of(event_input(2, "B", body="{}"))])

    held = _explained(world, "Police", event_id(1), "--mark", "A")
    quarantined = _explained(world, "Police", event_id(2), "--mark", "B")

    assert (held["answer"], held["detail"]) == ("held", "held for Police: parked, Sqs.AccessDenied")
    assert (quarantined["answer"], quarantined["violations"]) == ("quarantined", BROKEN)


def test_explain_says_who_gave_it_up(world):
    """For the client, or at the gate for everybody."""
    _produced(world, item(1, "A"))
    world.park("Police", entries(["A"]))
    world.table.discard("Police", entries(["A"]), "jo", "sent by hand")

    told = _explained(world, "Police", event_id(1))

    assert (told["answer"], told["detail"]) == ("discarded", "given up for Police by jo: sent by hand")


def test_explain_says_which_rule_of_the_filter_left_it_out(world):
    """Where and which rule, for people too; no value."""
    wanted = {"properties": {"eventName": {"const": "DeleteEvent"}}}
    world.register("Police", json.dumps({"queueUrl": QUEUE, "filter": wanted}))
    _produced(world, item(1, "A", createTime=FUTURE))

    told = _explained(world, "Police", event_id(1))

    assert (told["answer"], told["violations"]) == ("filtered", [{"path": "/eventName", "rule": "const"}])
    assert world.meq("explain", "Police", event_id(1)).stdout.rstrip().endswith("leaves it out (/eventName const)")


@pytest.mark.parametrize(
    ("said", "items", "answer"),
    [
        ({}, [item(1, "A", createTime=FUTURE)], "delivered"),
        ({}, [item(1, "A")], "beforeItsTime"),
        ({"from": "2026-12-01T00:00:00Z"}, [item(1, "A")], "beforeItsTime"),
        ({"from": "beginning"}, [item(1, "A")], "awaitsHistory"),
        ({"paused": 7}, [item(1, "A")], "notServed"),
        ({}, [], "neverSeen"),
    ],
)
def test_explain_tells_the_rest_apart(world, said, items, answer):
    """Delivered by all that is known, before its time, waiting for its history, not served, never seen."""
    world.register("Police", json.dumps({"queueUrl": QUEUE} | said))
    _produced(world, *items)

    assert _explained(world, "Police", event_id(1))["answer"] == answer


def test_explain_knows_what_history_passed_over(world):
    """With the rules."""
    _late_joiner(world, Progress.DONE)
    _produced(world, item(1, "A") | {"eventId": {"S": "e1"}})

    assert _explained(world, "Police", "e1")["answer"] == "passedOver"


def test_explain_of_a_mark_is_a_line_for_every_event(world):
    """In a table for people."""
    _produced(world, item(1, "A", createTime=FUTURE), item(2, "A", createTime=FUTURE), item(3, "B"))

    lines = world.meq("explain", "Police", "--mark", "A").stdout.splitlines()

    assert [line.split()[1] for line in lines] == ["answer", "delivered", "delivered"]
    assert world.meq("explain", "Police").exit_code == 2
