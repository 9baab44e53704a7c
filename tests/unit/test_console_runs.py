"""Unit tier, the console's executions: proves which it lists, and the path that it tells of one.

What AWS logs of an Express execution is canned here after its documentation, and so is what Logs Insights does with a
query: no account was asked.
"""

import html
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

import pytest

from meq.console.runs import NOT_KNOWN, Runs
from meq.console.steps import Event, steps_of
from meq.errors import OperatorError
from meq.stack import Stack
from tests.builders import NOW, ROOT
from tests.unit.test_console import (
    EXECUTION,
    EXPRESS,
    HERE,
    Browser,
    _fill,
    _links,
    _refused,
    browser,
    moto,
    open_console,
    world,
)

__all__ = ["browser", "moto", "open_console", "world"]

Rows = list[dict[str, str]]


@dataclass
class LogsFake:
    """Logs Insights over a log group of the class INFREQUENT_ACCESS: it knows of an entry what it says, and when.

    It carries out the commands that the console uses, and answers at the second asking.
    """

    entries: list[dict[str, Any]]
    queries: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    status: str = "Complete"
    answered: list[Any] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def start_query(self, **query: Any) -> dict[str, str]:
        """Note the query."""
        self.queries.append(query)
        return {"queryId": f"q{len(self.queries)}"}

    def stop_query(self, queryId: str) -> None:  # noqa: N803 - boto3's names
        """Note that it is stopped."""
        self.stopped.append(queryId)

    def get_query_results(self, queryId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return rows of fields, as Insights does."""
        self.asked += 1
        if self.asked % 2 or self.status == "Running":
            return {"status": "Running", "results": []}
        rows = [
            [{"field": name, "value": value} for name, value in row.items()] for row in self._found(self.queries[-1])
        ]
        self.answered += rows
        return {"status": self.status, "results": rows}

    def _found(self, query: dict[str, Any]) -> Rows:
        rows = [
            {"@timestamp": one["event_timestamp"], "@message": json.dumps(one, separators=(",", ":"))}
            for one in self.entries
            if query["startTime"] <= int(one["event_timestamp"]) / 1000 <= query["endTime"]
        ]
        for command in query["queryString"].split(" | "):
            verb, _, rest = command.partition(" ")
            rows = COMMANDS[verb](rows, rest)
        return rows


def _filter(rows: Rows, rest: str) -> Rows:
    conditions = [re.fullmatch(r"(@?\w+) (?:= \"(.*)\"|like \"(.*)\"|like /(.*)/)", one) for one in rest.split(" or ")]

    def fits(row: dict[str, str], name: str, equal: str | None, part: str | None, pattern: str | None) -> bool:
        text = row.get(name)
        if text is None:  # nothing compares with a field that is not there
            return False
        if equal is not None:
            return text == equal
        return part in text if part is not None else bool(_java(pattern).search(text))

    return [row for row in rows if any(fits(row, *one.groups()) for one in conditions if one)]


def _parse(rows: Rows, rest: str) -> Rows:
    ((name, pattern),) = re.findall(r"^(@?\w+) /(.*)/$", rest)
    found = [_java(pattern).search(row.get(name, "")) for row in rows]
    return [row | (one.groupdict() if one else {}) for row, one in zip(rows, found, strict=True)]


def _java(pattern: str | None) -> re.Pattern[str]:
    return re.compile((pattern or "").replace("(?<", "(?P<"))


def _sort(rows: Rows, rest: str) -> Rows:
    assert rest == "@timestamp desc"
    return sorted(rows, key=lambda row: row["@timestamp"], reverse=True)


def _limit(rows: Rows, rest: str) -> Rows:
    return rows[: int(rest)]


def _display(rows: Rows, rest: str) -> Rows:
    return [{name: row[name] for name in rest.split(", ") if name in row} for row in rows]


COMMANDS: dict[str, Callable[[Rows, str], Rows]] = {
    "filter": _filter,
    "parse": _parse,
    "sort": _sort,
    "limit": _limit,
    "display": _display,
}


def _happened(*kinds: str) -> list[Event]:
    """Return events that follow one another; `kind name` or `kind !error`, `kind@n` follows the n-th."""
    events = []
    for number, said in enumerate(kinds, start=1):
        kind, _, rest = said.partition(" ")
        kind, _, previous = kind.partition("@")
        name, error = ("", rest[1:]) if rest.startswith("!") else (rest, "")
        at = NOW + timedelta(seconds=number)
        events.append(Event(number, int(previous or number - 1), kind, at, name, error))
    return events


def test_a_path_tells_what_went_wrong_where():
    """Of a Task: caught, tried again, or the end of the execution; each try is told from the others'."""
    steps, ways = steps_of(
        _happened(
            "ExecutionStarted",
            "TaskStateEntered A",
            "TaskScheduled",
            "TaskFailed !E.Passing",
            "TaskSucceeded",
            "TaskStateExited A",
            "TaskStateEntered B",
            "TaskScheduled",
            "TaskTimedOut !E.Late",
            "TaskStateExited B",
            "TaskStateEntered C",
            "TaskFailed !E.Final",
            "ExecutionFailed !E.Final",
        ),
        "FAILED",
    )
    assert [(one.name, one.mark, one.errors) for one in steps] == [
        ("A", "retried", ["E.Passing"]),
        ("B", "caught", ["E.Late"]),
        ("C", "failed", ["E.Final"]),
    ]
    assert ways == {("A", "B"), ("B", "C")}
    assert [one.seconds for one in steps] == [4, 3, 0]


def test_iterations_side_by_side_are_told_apart():
    """Events of two iterations come mixed; each belongs to the one that its chain leads to, as does leaving the Map."""
    steps, ways = steps_of(
        _happened(
            "MapStateEntered M",
            "MapStateStarted",
            "MapIterationStarted@2",
            "MapIterationStarted@2",
            "TaskStateEntered@3 T",
            "TaskStateEntered@4 T",
            "TaskFailed@5 !E.One",
            "TaskSucceeded@6",
            "TaskStateExited@7 T",
            "TaskStateExited@8 T",
            "PassStateEntered@9 P",
            "PassStateExited P",
            "MapIterationSucceeded",
            "MapStateSucceeded",
            "MapStateExited M",
            "PassStateEntered Z",
        ),
        "RUNNING",
    )
    assert [(one.name, one.visits, one.mark, one.caught) for one in steps] == [
        ("M", 1, "passed", 0),
        ("T", 2, "caught", 1),
        ("P", 1, "passed", 0),
        ("Z", 1, "running", 0),
    ]
    assert ways == {("T", "P"), ("M", "Z")}


def test_an_error_that_ended_an_iteration_is_caught_by_the_map_around_it():
    """The state is never left, its Map is; what comes then is no part of it."""
    steps, ways = steps_of(
        _happened(
            "MapStateEntered M",
            "MapStateStarted",
            "MapIterationStarted",
            "TaskStateEntered T",
            "TaskFailed !E.One",
            "MapIterationFailed",
            "MapStateFailed !E.One",
            "MapStateExited M",
            "PassStateEntered Z",
            "PassStateExited Z",
        ),
        "SUCCEEDED",
    )
    assert [(one.name, one.mark, one.seconds) for one in steps] == [
        ("M", "passed", 7),
        ("T", "caught", 0),
        ("Z", "passed", 1),
    ]
    assert ways == {("M", "Z")}


def test_an_execution_is_shown_from_its_history(browser):
    """Status, duration, states in words and as a graph; nothing that it carried."""
    _fill(browser)
    names = [("Validate Events", "Task"), ("Held At Gate?", "Choice")]
    browser.machines.definition = json.loads((ROOT / "statemachines" / "deliver-events.asl.json").read_text("utf-8"))
    number = 1
    for name, kind in names:
        for what in ("Entered", "Exited"):
            number += 1
            details = {f"state{what}EventDetails": {"name": name, "input": "SECRET", "output": "SECRET"}}
            event = {"id": number, "previousEventId": number - 1, "type": f"{kind}State{what}", "timestamp": NOW}
            browser.machines.events.append(event | details)

    (link,) = _links(browser.text("/executions"), "/execution?")
    page = html.unescape(browser.text(link))

    assert browser.machines.looked_at == [EXECUTION]
    assert page.count('class="state passed"') == 2
    assert page.count('class="edge gone"') == 1
    assert "SECRET" not in page
    assert "2.0 s" in page


def _logged(number: int, kind: str, seconds: float, previous: int | None = None, **details: Any) -> dict[str, Any]:
    at = NOW + timedelta(seconds=seconds)
    return {
        "id": str(number),
        "type": kind,
        "details": details,
        "previous_event_id": str(number - 1 if previous is None else previous),
        "event_timestamp": str(int(at.timestamp() * 1000)),
        "execution_arn": EXPRESS,
        "redrive_count": "0",
    }


# As with LogExecutionData=true: what an event holds may look like an entry of the log.
DATA = json.dumps({"type": "ExecutionAborted", "name": "Ann", "error": "Ann", "execution_arn": "Ann", "id": "Ann"})

LOG = [
    _logged(1, "ExecutionStarted", -2, input=DATA, roleArn="arn:role"),
    _logged(2, "TaskStateEntered", -2, 0, input=DATA, name="Validate Events"),
    _logged(3, "TaskScheduled", -1.9, resource="invoke", parameters=DATA),
    _logged(4, "TaskFailed", -1.5, error="Lambda.Unknown", cause=DATA),
    _logged(5, "ExecutionFailed", -0.5, error="Lambda.Unknown", cause=DATA),
]
CAUGHT = [
    _logged(3, "TaskFailed", -1.5, error="Sqs.AccessDenied", cause=DATA),
    _logged(9, "MapStateFailed", -1.4, error="Sqs.AccessDenied"),
]


def _of_aws(browser: Browser, logs: LogsFake) -> Runs:
    browser.world.services["logs"] = logs
    browser.machines.executions = _refused("StateMachineTypeNotSupported", "ListExecutions")
    browser.machines.answers = [_refused("InvalidArn", "DescribeExecution")] * 3
    return Runs(Stack("mark-event-queue", browser.world), lambda: NOW, lambda _: None)


@pytest.mark.parametrize(
    "query",
    [
        "filter type like /^Execution/",
        f'filter execution_arn = "{EXPRESS}"',
        r'parse @message /"typ":"(?<kind>[^"]*)"/ | filter kind = "ExecutionFailed"',
    ],
)
def test_a_query_for_fields_that_are_not_there_finds_nothing(query):
    """As in a log group of the class INFREQUENT_ACCESS; so a query of the console's that counts on them is caught."""
    logs = LogsFake(LOG)
    whole_day = {"startTime": int(NOW.timestamp()) - 86_400, "endTime": int(NOW.timestamp()) + 86_400}
    assert logs._found({"queryString": query} | whole_day) == []
    assert len(logs._found({"queryString": "filter @message like /Execution/"} | whole_day)) == len(LOG)


def test_express_executions_are_found_in_the_log(browser):
    """AWS lists none: those of the last three hours come from the log group that the machine names."""
    logs = LogsFake([*LOG, _logged(1, "ExecutionStarted", -4 * 3600)])
    listed = _of_aws(browser, logs).recent("delivery")
    (run,) = listed.runs
    assert listed.logged
    assert (run.arn, run.status, run.seconds, run.name) == (EXPRESS, "FAILED", 1.5, "one:4d0e9b59")
    (query,) = logs.queries
    assert query["logGroupName"] == "/aws/vendedlogs/states/deliver"
    assert query["endTime"] - query["startTime"] == 3 * 3600 + 1
    assert int(re.findall(r"limit (\d+)", query["queryString"])[0]) <= 300
    assert [row for row in logs.answered if "Task" in str(row)] == [logs.answered[1]]  # the error


def test_the_path_of_an_express_execution_comes_from_the_log(browser):
    """Around the time that the list names; other executions that name it are none of its own."""
    other = _logged(2, "TaskStateEntered", -1, name="Other", input=EXPRESS) | {"execution_arn": f"{EXPRESS}0"}
    logs = LogsFake([*LOG[::-1], other])
    path = _of_aws(browser, logs).path(EXPRESS, NOW)
    assert [(one.name, one.mark, one.errors) for one in path.steps] == [
        ("Validate Events", "failed", ["Lambda.Unknown"])
    ]
    assert (path.run.status, path.error, path.whole, path.logged) == ("FAILED", "Lambda.Unknown", True, True)
    assert logs.queries[0]["startTime"] == int((NOW - timedelta(minutes=15)).timestamp())


def test_what_executions_carry_does_not_leave_the_log(browser):
    """With LogExecutionData=true entries hold events: neither they nor what looks like an entry in them is read."""
    logs = LogsFake(LOG)
    runs = _of_aws(browser, logs)
    assert runs.path(EXPRESS, NOW).run.status == "FAILED"
    assert [one.status for one in runs.recent("delivery").runs] == ["FAILED"]
    assert logs.answered
    assert "Ann" not in str(logs.answered)


def test_a_path_of_which_the_log_lacks_a_part_is_not_whole(browser):
    """Each entry names the one before it; one that is named and not there is missing."""
    path = _of_aws(browser, LogsFake(LOG[:2] + LOG[3:])).path(EXPRESS, NOW)
    assert (path.whole, [one.name for one in path.steps]) == (False, ["Validate Events"])


@pytest.mark.parametrize(("entries_", "status"), [([], "Complete"), (LOG, "Failed"), (LOG, "Running")])
def test_a_log_that_says_nothing_is_told(browser, entries_, status):
    """What succeeds is in the log at one level only; a query may fail, and one that lasts too long is stopped."""
    logs = LogsFake(entries_, status=status)
    with pytest.raises(OperatorError, match=r"ExecutionLogLevel=ALL|the query is Failed|the query is stopped"):
        _of_aws(browser, logs).path(EXPRESS, NOW)
    assert logs.stopped == (["q1"] if status == "Running" else [])


def _lately(entries_: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return entries as if they had been written now."""
    shift = int((datetime.now(UTC) - NOW).total_seconds() * 1000)
    return [one | {"event_timestamp": str(int(one["event_timestamp"]) + shift)} for one in entries_]


def test_a_page_of_an_express_execution_is_drawn_from_the_log(browser):
    """The list leads to it, with the time around which it is looked for; that this costs something is said."""
    _of_aws(browser, LogsFake(_lately(LOG)))
    browser.machines.definition = json.loads((ROOT / "statemachines" / "deliver-events.asl.json").read_text("utf-8"))
    listed = browser.text("/executions")
    (link,) = _links(listed, "/execution?")
    page = browser.text(urljoin(HERE, link))
    assert 'class="state failed"' in page
    assert "Lambda.Unknown" in page
    assert '<a href="#state-0">Validate Events</a>' in page
    assert all("AWS bills each look at it by what it scans" in text for text in (listed, page))


def test_of_errors_alone_no_path_is_drawn(browser):
    """As with ExecutionLogLevel=ERROR: whether it ended is not known, and what it came by neither."""
    _of_aws(browser, LogsFake(_lately(CAUGHT)))
    listed = browser.text("/executions")
    (link,) = _links(listed, "/execution?")
    page = browser.text(urljoin(HERE, link))
    assert "Its path is not known" in page
    assert "Sqs.AccessDenied" in page
    assert "<svg" not in page
    assert all("not known</span>" in text and "under way" not in text for text in (listed, page))


def test_executions_in_which_an_error_was_met_are_marked(browser):
    """Where the log tells: one that parked something has succeeded all the same."""
    ended = [_logged(1, "ExecutionStarted", -2), _logged(20, "ExecutionSucceeded", -1)]
    logs = LogsFake([*ended, *CAUGHT])
    (run,) = _of_aws(browser, logs).recent("delivery").runs
    assert (run.status, run.errors) == ("SUCCEEDED", ["Sqs.AccessDenied"])
    (run,) = _of_aws(browser, LogsFake(CAUGHT)).recent("delivery").runs
    assert (run.status, run.started) == (NOT_KNOWN, None)
    _of_aws(browser, LogsFake(_lately([*ended, *CAUGHT])))
    assert "met an error</span> Sqs.AccessDenied" in browser.text("/executions")


def _run(number: int, minutes: float) -> dict[str, Any]:
    began = NOW + timedelta(minutes=minutes)
    return {"executionArn": f"{EXECUTION}{number}", "status": "SUCCEEDED", "startDate": began, "stopDate": began}


def test_executions_around_an_instant_are_found_among_many(browser):
    """What was under way when something was held, however many came since."""
    browser.machines.executions = [_run(number, 30 - number / 10) for number in range(2_000)]
    stack = Stack("mark-event-queue", browser.world)
    runs = Runs(stack).recent("delivery", NOW).runs
    assert len(runs) == 50
    assert all(abs((one.started or NOW) - NOW) <= timedelta(minutes=6) for one in runs)
    assert len(Runs(stack).recent("delivery").runs) == 50

    logs = LogsFake([*LOG, *(_logged(1, "ExecutionStarted", minutes * 60) for minutes in (-60, 60))])
    (run,) = _of_aws(browser, logs).recent("delivery", NOW).runs
    assert run.seconds == 1.5


def test_a_dry_run_is_told_from_what_changes_something(browser):
    """By the name that it was started with."""
    browser.machines.executions = [
        _run(1, 0) | {"executionArn": EXECUTION.replace(":one", f":{name}")} for name in ("meq-dry-run-1", "meq-2")
    ]
    page = browser.text("/executions?machine=redrive")
    assert [">dry run<" in row for row in page.split("<tr>")[2:]] == [True, False]
