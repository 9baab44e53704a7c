"""Unit tier, the console: proves whom its pages let in, what they show, and what they start, without a browser.

The world is that of test_meq.py. What tells of executions is in test_console_runs.py. That pages work in a browser, on
a deployed stack, is for tests/e2e.
"""

import html
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from flask import Flask, abort
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.test import TestResponse

from local.queues import until
from mark_event_queue.domain.held import GATE, PARKED
from mark_event_queue.domain.rounds import entry_of
from meq import pausing
from meq.console.app import create
from meq.console.doing import Errands
from meq.console.graph import Drawing, lay_out, svg
from meq.console.guard import POLICY, Guard
from meq.console.steps import Step
from meq.stack import Stack
from tests.builders import NOW, ROOT, client, entries, event_id, event_input
from tests.unit.test_meq import OUTPUTS, MachineFake, World, _succeeded, moto, world

__all__ = ["moto", "world"]

PORT = 8642
HERE = f"http://127.0.0.1:{PORT}"
MACHINE = "arn:aws:states:eu-west-2:123456789012:stateMachine:deliver"
EXECUTION = "arn:aws:states:eu-west-2:123456789012:execution:deliver:one"
EXPRESS = "arn:aws:states:eu-west-2:123456789012:express:deliver:one:4d0e9b59"
DEFINITIONS = sorted((ROOT / "statemachines").glob("*.asl.json"))
NASTY = "<script>alert(1)</script>\x1b[2J\n\u2028'\""


def _refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "as said"}}, operation)


def _would(deliver: int, discard: int = 0) -> dict[str, Any]:
    one = {"mark": "AFC 6", "events": deliver, "since": "2026-03-01T09:30:00Z", "reason": "parked", "error": "E"}
    return _succeeded({"wouldDiscard": discard, "wouldDeliver": deliver, "sequences": [one], "moreSequences": 0})


@dataclass
class MachinesFake(MachineFake):
    """Step Functions: what starts redrives, and what tells of executions."""

    executions: list[dict[str, Any]] | ClientError = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    definition: dict[str, Any] = field(default_factory=lambda: json.loads(DEFINITIONS[0].read_text("utf-8")))

    def list_executions(
        self,
        stateMachineArn: str,  # noqa: N803 - boto3's names
        maxResults: int,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        """Return executions of whatever machine, a page of them."""
        if isinstance(self.executions, ClientError):
            raise self.executions
        end = int(nextToken) + maxResults
        more = {"nextToken": str(end)} if end < len(self.executions) else {}
        return {"executions": self.executions[int(nextToken) : end]} | more

    def describe_state_machine(self, stateMachineArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return the definition, and where the machine logs."""
        arn = "arn:aws:logs:eu-west-2:123456789012:log-group:/aws/vendedlogs/states/deliver:*"
        logging = {"destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": arn}}]}
        return {"definition": json.dumps(self.definition), "loggingConfiguration": logging}

    def get_paginator(self, operation: str) -> "MachinesFake":
        """Return what pages the history."""
        assert operation == "get_execution_history"
        return self

    def paginate(self, executionArn: str, includeExecutionData: bool) -> list[dict[str, Any]]:  # noqa: N803
        """Return the history, an event to a page, without any data of the execution."""
        assert includeExecutionData is False
        return [{"events": [event]} for event in self.events]


@dataclass
class QueuesFake:
    """SQS: the depth of each queue, or why it does not answer."""

    depths: dict[str, tuple[int, int] | ClientError] = field(default_factory=dict)

    def get_queue_url(self, QueueName: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        """Return a queue's address."""
        return {"QueueUrl": f"https://sqs/{QueueName}"}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        """Return a queue's depth."""
        depth = self.depths.get(QueueUrl.rsplit("/", 1)[-1], (0, 0))
        if isinstance(depth, ClientError):
            raise depth
        return {"Attributes": dict(zip(AttributeNames, map(str, depth), strict=True))}


@dataclass
class MetricsFake:
    """CloudWatch: the age of the oldest message of every queue that is asked for, or a refusal."""

    answer: float | ClientError = 0.0

    def get_metric_data(self, MetricDataQueries: list[dict[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        """Return a value for each query."""
        if isinstance(self.answer, ClientError):
            raise self.answer
        return {"MetricDataResults": [{"Id": one["Id"], "Values": [self.answer]} for one in MetricDataQueries]}


@dataclass
class BucketFake:
    """S3: how many objects the first page of a bucket has, and whether there are more."""

    objects: int = 0
    more: bool = False

    def list_objects_v2(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Return a page."""
        return {"KeyCount": self.objects, "IsTruncated": self.more}


class Compiled(BytecodeCache):
    """Templates that one test has compiled, for the others: that takes longer than most of them."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what is kept."""
        if bucket.key in self.kept:
            bucket.bytecode_from_string(self.kept[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self.kept[bucket.key] = bucket.bytecode_to_string()


@dataclass
class Browser:
    """A browser that has opened the address with the token, and what it looks at."""

    world: World
    machines: MachinesFake
    queues: QueuesFake
    metrics: MetricsFake
    guard: Guard
    app: Flask
    client: FlaskClient

    def get(self, address: str, host: str = f"127.0.0.1:{PORT}") -> TestResponse:
        """Ask for a page."""
        return self.client.get(address, base_url=HERE, headers={"Host": host})

    def text(self, address: str) -> str:
        """Return a page's text as it is written."""
        answer = self.get(address)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, address: str, origin: str | None = HERE, **form: str) -> TestResponse:
        """Send a form as a page of the console does."""
        given = {"form_token": self.guard.form_token} | form
        headers = {"Origin": origin} if origin else {}
        return self.client.post(address, data=given, base_url=HERE, headers=headers)

    def try_out(self, verb: str, recipient: str, **form: str) -> str:
        """Ask for something and wait for what would come of it; return the page's address."""
        return self._errand(self.post("/try", verb=verb, recipient=recipient, **form))

    def confirm(self, address: str) -> str:
        """Confirm, wait for the end, and return where it is told."""
        return self._errand(self.post("/confirm", key=address.rsplit("/", 1)[-1]))

    def _errand(self, answer: TestResponse) -> str:
        assert answer.status_code == 303, answer.text
        address: str = answer.headers["Location"]
        until(lambda: bool((self.get(f"{address}.json").json or {})["ended"]), "the errand to end", 10)
        return address


@pytest.fixture
def open_console(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Browser]:
    """Return what opens a console of the world's stack."""
    monkeypatch.setattr(pausing, "SETTLE_SECONDS", 0)
    world.stacks.stacks["mark-event-queue"] = OUTPUTS | {
        "QueueName": "MarkFanOutQueue.fifo",
        "StateMachineArn": MACHINE,
    }
    world.machine = machines = MachinesFake()
    queues, metrics = QueuesFake(), MetricsFake()
    world.services |= {"sqs": queues, "cloudwatch": metrics, "s3": BucketFake()}

    def open_(clock: Callable[[], float] = time.monotonic, **options: Any) -> Browser:
        stack, guard = Stack("mark-event-queue", world), Guard(PORT)
        app = create(stack, guard, Errands(stack, clock=clock), **options)
        app.jinja_env.bytecode_cache = Compiled()
        opened = app.test_client()
        opened.set_cookie(guard.cookie, guard.token, domain="127.0.0.1")
        return Browser(world, machines, queues, metrics, guard, app, opened)

    return open_


@pytest.fixture
def browser(open_console: Callable[..., Browser]) -> Browser:
    """A browser before a console that may do things."""
    return open_console()


def _fields(page: str) -> list[dict[str, str]]:
    """Return what each form of a page would send."""
    return [
        {
            html.unescape(name): html.unescape(value)
            for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', form)
        }
        for form in re.findall(r"<form method=\"post\".*?</form>", page, re.DOTALL)
    ]


def _links(page: str, beginning: str) -> list[str]:
    found = map(html.unescape, re.findall(r'href="([^"]*)"', page))
    return [link for link in found if link.startswith(beginning)]


# ----------------------------------------------------------------------------------------------------------------------
# Who is let in
# ----------------------------------------------------------------------------------------------------------------------
def test_the_token_opens_the_console_and_becomes_a_cookie(browser):
    """The address that is shown afterwards has no token; a page of another site never sends the cookie."""
    stranger = browser.app.test_client()

    opened = stranger.get(f"/?token={browser.guard.token}", base_url=HERE)

    assert (opened.status_code, opened.headers["Location"]) == (303, "/")
    assert opened.headers["Set-Cookie"] == (
        f"meq-console-{PORT}={browser.guard.token}; HttpOnly; Path=/; SameSite=Strict"
    )
    assert stranger.get("/", base_url=HERE).status_code == 200


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%C3%A9"])
def test_nothing_is_told_without_the_token(browser, token):
    """Whatever address there is answers a stranger in one way: the stylesheet, what is not there, a form too long."""
    stranger = browser.app.test_client()
    rules = [(rule.rule, "POST" in rule.methods) for rule in browser.app.url_map.iter_rules() if rule.methods]
    assert len(rules) > 12
    for rule, takes_forms in [*rules, ("/nowhere", False), ("/nowhere", True)]:
        address = re.sub(r"<[^>]*>", "x", rule) + token
        asked: dict[str, Any] = {"base_url": HERE, "headers": {"Origin": HERE}}
        answers = [stranger.get(address, **asked)] if not takes_forms else []
        answers += [stranger.post(address, data={"a": "x" * length}, **asked) for length in (1, 100_000) if takes_forms]
        for answer in answers:
            assert (answer.status_code, answer.text) == (
                401,
                "Open the address that meq console printed: it has the token that this needs.\n",
            ), rule


def test_a_form_that_is_too_long_is_refused_once_it_is_let_in(browser):
    """Before that it is not read: a page of another site is told so, whatever it sends."""
    assert [browser.post("/try", origin, mark="x" * 100_000).status_code for origin in (HERE, "null")] == [413, 403]


def test_an_error_before_anybody_is_let_in_has_no_page(browser, monkeypatch):
    """A page has the name of the stack."""
    monkeypatch.setattr(Guard, "check_host", lambda *_: abort(400))
    answer = browser.app.test_client().get("/", base_url=HERE)
    assert (answer.status_code, answer.text) == (400, "Bad Request\n")


@pytest.mark.parametrize("host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", ""])
def test_a_server_of_another_name_answers_nothing(browser, host):
    """A name that somebody has lead here is refused before the token is looked at."""
    answer = browser.get("/", host)
    assert answer.status_code == 403
    assert "mark-event-queue" not in answer.text


def test_the_console_is_localhost_too(browser):
    """The cookie is another host's, so that the token is asked for again."""
    answer = browser.app.test_client().get(f"/?token={browser.guard.token}", base_url=f"http://localhost:{PORT}")
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", f"http://127.0.0.1:{PORT + 1}", f"http://localhost:{PORT}"]
)
@pytest.mark.parametrize("address", ["/try", "/confirm", "/body"])
def test_a_form_of_another_site_does_nothing(browser, origin, address):
    """Only a page of this console may send one, though the browser has the cookie."""
    browser.world.park("Police", entries(["AFC 6"]))
    answer = browser.post(address, origin, verb="redrive", recipient="Police", mark="AFC 6")
    assert (answer.status_code, browser.machines.started) == (403, [])


def test_a_form_without_its_token_does_nothing(browser):
    """A page that was loaded from an earlier run on the same port is told to load again."""
    browser.world.park("Police", entries(["AFC 6"]))
    answer = browser.post("/try", verb="redrive", recipient="Police", form_token="old")  # noqa: S106 - one that opens nothing
    assert (answer.status_code, browser.machines.started) == (403, [])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_no_way_in(browser, method):
    """What is not for reading needs origin and form token, whatever it is."""
    assert browser.client.open("/", method=method, base_url=HERE).status_code == 403


def test_every_answer_carries_what_binds_the_browser(browser):
    """Pages, files, errors and refusals: no script but ours, no frame, nothing kept, no address told elsewhere."""
    for address in ("/", "/static/console.css", "/counts.json", "/nowhere", "/execution?arn=x"):
        headers = browser.get(address).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
        assert (headers["X-Frame-Options"], headers["Cross-Origin-Resource-Policy"]) == ("DENY", "same-origin")
    assert browser.app.test_client().get("/", base_url=HERE).headers["Content-Security-Policy"] == POLICY


def test_no_page_has_what_the_policy_forbids(browser):
    """No style or script within a page, and nothing from elsewhere: a browser would leave it out."""
    _fill(browser)
    for address in _addresses(browser):
        page = browser.text(address)
        assert not re.findall(
            r"<script(?! src=\"/static/)|<style| style=| on\w+=|javascript:|(?:src|href)=\"http", page
        )


# ----------------------------------------------------------------------------------------------------------------------
# Looking
# ----------------------------------------------------------------------------------------------------------------------
def _fill(browser: Browser) -> None:
    browser.world.park("Police", entries(["AFC 6"] * 3))
    browser.world.park("Gone", entries(["B1 GAP"]))
    browser.world.quarantine(entries(["Z 1"] * 2))
    started = {"startDate": NOW, "stopDate": NOW + timedelta(seconds=2)}
    browser.machines.executions = [{"executionArn": EXECUTION, "status": "SUCCEEDED"} | started]
    browser.machines.answers = [browser.machines.executions[0]]


def _addresses(browser: Browser) -> list[str]:
    return [
        "/",
        "/clients",
        "/waiting",
        "/sequence?recipient=Police&mark=AFC+6",
        "/executions",
        f"/execution?arn={EXECUTION}",
        "/discards",
        *(["/do/pause?recipient=Police", "/do/discard?recipient=gate"] if "ask" in browser.app.view_functions else []),
    ]


def test_the_overview_counts_what_is_where(browser):
    """A queue that cannot be asked costs its own number only; one who has unsubscribed is there while events wait."""
    _fill(browser)
    browser.queues.depths = {"MarkFanOutQueue.fifo": (7, 2), "MarkFanOutClient-Insurer.fifo": (5, 0)}
    browser.queues.depths["MarkFanOutClient-Police.fifo"] = _refused("AccessDenied", "GetQueueAttributes")
    browser.metrics.answer = 90.0

    told = browser.get("/counts.json").json

    assert {name: count["text"] for name, count in told["counts"].items()} == {
        "gate": "2",
        "fan-out": "7 + 2 in hand",
        "undelivered": "0",
        "queue:Insurer": "5",
        "oldest:Insurer": "90 s",
        "held:Insurer": "0",
        "queue:Police": "not known",
        "oldest:Police": "90 s",
        "held:Police": "3",
        "queue:Gone": "none",
        "held:Gone": "1",
    }
    assert {name for name, count in told["counts"].items() if count["attention"]} == {
        "gate", "held:Police", "held:Gone",
    }  # fmt: skip
    assert {name: state["text"] for name, state in told["states"].items()} == {
        "Insurer": "served",
        "Police": "something is held",
    }
    page = browser.text("/")
    assert "These credentials may not do GetQueueAttributes: as said" in html.unescape(page)
    assert told["shape"] in html.unescape(page)
    assert set(re.findall('data-live="([^"]*)"', page)) == told["counts"].keys()


def test_the_counts_of_the_overview_cost_no_listing(browser):
    """They are asked for every few seconds: a call for the recipients, one for each, whatever is held."""
    for number in range(300):
        browser.world.park("Police", entries([f"M {number}"]))
    with browser.world.calls() as calls:
        assert browser.get("/counts.json").json["counts"]["held:Police"]["text"] == "300"
    assert [name for name, _ in calls] == ["query", "get_item"]


def test_clients_are_shown_with_what_they_asked_for(browser):
    """State, queue, age, what is held, filter, and why one gets nothing."""
    _fill(browser)
    said = {"queueUrl": client("Insurer")["queueUrl"], "filter": {"type": "object"}, "notices": ["forgotten"]}
    browser.world.register("Insurer", json.dumps(said | {"paused": True}))
    browser.world.register("Broken", "no JSON")
    browser.metrics.answer = 90.0
    browser.queues.depths["MarkFanOutClient-Insurer.fifo"] = (5, 0)

    page = html.unescape(browser.text("/clients"))

    broken, insurer, police = (re.sub(r"<[^>]*>|\s+", " ", one) for one in page.split("<article")[1:])
    assert "gets nothing" in broken
    assert "The registration is not JSON" in re.sub(r"\s+", " ", broken)
    assert all(word in insurer for word in ("paused", "90 s", "forgotten", "yes, see the registration", "Resume"))
    assert all(word in police for word in ("something is held", "3 events", "none", "Pause"))


def test_ages_are_left_out_where_nobody_may_read_them(browser):
    """Whoever may not read metrics sees everything else."""
    browser.metrics.answer = _refused("AccessDenied", "GetMetricData")
    browser.queues.depths = {f"MarkFanOutClient-{name}.fifo": (1, 0) for name in ("Insurer", "Police")}
    assert browser.text("/clients").count("not known") == 2


def test_what_waits_is_shown_by_recipient_mark_and_reason(browser):
    """With its error, or the rules that it breaks; a filter shows one recipient's, or one mark's."""
    _fill(browser)
    page = browser.text("/waiting")
    assert all(
        word in page for word in ("Sqs.AccessDenied", "/RegistrationNumber/Status enum", "quarantined", "parked")
    )
    assert [page.count(f">{mark}</a>") for mark in ("AFC 6", "B1 GAP", "Z 1")] == [1, 1, 1]
    assert browser.text("/waiting?recipient=gate").count('class="mark"') == 1
    assert browser.text("/waiting?mark=B1+GAP").count('class="mark"') == 1
    assert "Nothing is held there." in browser.text("/waiting?recipient=Insurer")


def test_thousands_that_wait_come_in_pages(browser):
    """A page reads as far as it goes, and no further; the last one ends the list."""
    marks = [[entry] for entry in entries([f"M {number:04}" for number in range(2_000)])]
    browser.world.table.hold("Police", marks, PARKED, "E" * 1_000)

    pages, reads = [], []
    for number in (1, 40, 41):
        with browser.world.calls() as calls:
            pages.append(browser.text(f"/waiting?recipient=Police&page={number}"))
        reads.append(sum("HELD#Police" in str(arguments) for name, arguments in calls if name == "query"))
    first, last, beyond = pages

    assert reads == [1, 3, 3]  # megabytes
    assert [page.count('class="mark"') for page in (first, last, beyond)] == [50, 50, 0]
    assert _links(first, "/waiting?page=") == ["/waiting?page=2&recipient=Police"]
    assert browser.text("/waiting?page=99999999999999999999").count('class="mark"') == 0
    assert ("M 1950" in last, "Further rows" in last, "Earlier rows" in last) == (True, False, True)


def test_a_sequence_is_shown_without_what_its_events_hold(browser):
    """Ids, times and rules; bodies are not even read."""
    browser.world.quarantine(entries(["AFC 6"] * 3))
    with browser.world.calls() as calls:
        page = browser.text("/sequence?recipient=gate&mark=AFC+6")
    assert all(event_id(number) in page for number in (1, 2, 3))
    assert "/RegistrationNumber/Status enum" in page
    assert "personal data" in page
    asked = [arguments["ProjectionExpression"] for name, arguments in calls if "SEQUENCE" in str(arguments)]
    assert asked
    assert "body" not in " ".join(asked)


def test_a_body_is_shown_when_it_is_asked_for_event_by_event(browser):
    """By a form alone, and only of the event that was named; it is escaped, and shown as clients get it."""
    bodies = [json.dumps({"nomineeName": f"<b>Ann {number}</b>"}) for number in (1, 2)]
    browser.world.park("Police", [entry_of(event_input(number, "A", bodies[number - 1])) for number in (1, 2)])
    page = browser.text("/sequence?recipient=Police&mark=A")
    assert "Ann" not in page

    answer = browser.post("/body", **_fields(page)[-1])

    assert answer.status_code == 200
    assert html.escape(bodies[1], quote=False) in answer.text.replace("&#34;", '"')
    assert "Ann 1" not in answer.text
    assert "personal data" in answer.text
    assert browser.get("/body").status_code == 405


def test_a_mark_of_any_letters_is_shown_escaped_and_found_again(browser):
    """Markup is text, what cannot be seen is an escape; links and forms bring back the very mark."""
    browser.world.park("Police", [entry_of(event_input(1, NASTY, "{}"))])
    browser.machines.answers = [_would(1)]

    page = browser.text("/waiting")
    (link,) = _links(page, "/sequence")
    sequence = browser.text(link)

    for text in (page, sequence):
        assert "<script>alert" not in text
        assert "\x1b" not in text
        assert r"\u001b" in text
    form = next(form for form in _fields(sequence) if form.get("verb") == "redrive")
    browser._errand(browser.post("/try", **form))
    assert browser.machines.started[0]["mark"] == NASTY


def test_discards_on_record_are_shown(browser):
    """Whose, who, when, why and which event; the latest first."""
    for number, (recipient, mark) in enumerate([("Police", "A"), (GATE, "B"), ("Insurer", "C")]):
        (entry,) = entries([mark])
        browser.world.park(recipient, [entry])
        browser.world.table.discard(recipient, [entry], f"jo{number}", f"<i>why {number}</i>")

    page = html.unescape(browser.text("/discards"))

    assert all(f"jo{number}" in page and f"<i>why {number}</i>" in page for number in range(3))
    assert browser.text("/discards?recipient=gate").count('class="mark"') == 1


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (_refused("AccessDenied", "DescribeStacks"), 502, "These credentials may not do DescribeStacks: as said"),
        (NoCredentialsError(), 502, "There are no usable credentials"),
        (_refused("ValidationError", "DescribeStacks"), 502, "DescribeStacks failed"),
    ],
)
def test_what_aws_refuses_is_explained_on_the_page(open_console, error, status, told):
    """As the commands tell it, and without a traceback."""
    browser = open_console()
    browser.world.stacks.error = error
    if error.args and "ValidationError" in str(error):
        browser.world.stacks.error, browser.world.services["ssm"] = None, _Refusing(_refused("Throttling", "X"))
        told = "X failed: Throttling: as said"
    answer = browser.get("/")
    assert answer.status_code == status
    assert told in html.unescape(answer.text)
    assert "Traceback" not in answer.text


@dataclass
class _Refusing:
    error: ClientError

    def __getattr__(self, name: str) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("address", "status", "told"),
    [
        ("/sequence?recipient=Police&mark=A", 404, "Nothing of the mark A is held for Police"),
        ("/sequence?recipient=Police", 400, "Say for whom, and of which mark"),
        ("/execution?arn=arn:aws:states:eu-west-2:123456789012:execution:other:one", 400, "no execution of this stack"),
        (f"/execution?arn={EXPRESS}%22%20or%201", 400, "no execution of this stack"),
        ("/executions?machine=other", 404, "Not Found"),
        ("/errand/nosuch", 400, "knows nothing of that any more"),
        ("/do/fly?recipient=Police", 404, "Not Found"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(browser, address, status, told):
    """On a page of the console, with a way back."""
    answer = browser.get(address)
    assert (answer.status_code, told in html.unescape(answer.text)) == (status, True), answer.text
    assert 'href="/"' in answer.text


# ----------------------------------------------------------------------------------------------------------------------
# The graph
# ----------------------------------------------------------------------------------------------------------------------
def _drawings(drawing: Drawing) -> list[Drawing]:
    return [drawing, *(one for node in drawing.nodes.values() for inner in node.inner for one in _drawings(inner))]


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_no_state_is_drawn_over_another(path):
    """Every state is there, beside or below the others, within its drawing; edges bend only where they have room."""
    definition = json.loads(path.read_text("utf-8"))
    drawn = _drawings(lay_out(definition))
    assert sum(len(one.nodes) for one in drawn) == path.read_text("utf-8").count('"Type": ')
    for drawing in drawn:
        bends = [node for route, _, _ in drawing.edges for node in route[1:-1]]
        for a, b in combinations([*drawing.nodes.values(), *bends], 2):
            apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
            assert apart, (a.name, b.name)
        for bend in bends:
            beside = [node for node in drawing.nodes.values() if node.row == bend.row]
            assert all(bend.y <= one.y and one.y + one.height <= bend.y + bend.height for one in beside)
        for node in drawing.nodes.values():
            assert -0.01 <= node.x <= node.x + node.width <= drawing.width + 0.01
            assert -0.01 <= node.y <= node.y + node.height <= drawing.height + 0.01


def test_a_graph_marks_the_path_and_escapes_what_it_draws():
    """Visits are counted, failures have a sign beside their colour, edges that were gone are told from others."""
    states = {
        "<A>": {"Type": "Choice", "Choices": [{"Next": "B"}], "Default": "C"},
        "B": {"Type": "Task", "Catch": [{"Next": "C"}], "Next": "<A>"},
        "C": {"Type": "Fail"},
    }

    def step(name: str, visits: int, **more: Any) -> Step:
        given: dict[str, Any] = {
            "failed": False,
            "caught": 0,
            "tried_again": 0,
            "under_way": False,
            "errors": [],
        } | more
        return Step(name, visits, datetime.now(UTC), 0.0, **given)

    steps = [step("<A>", 2), step("B", 2, caught=1), step("C", 1, failed=True)]
    drawn = svg({"StartAt": "<A>", "States": states}, steps, {("<A>", "B"), ("B", "C")})

    assert re.findall(r"<text[^>]*>(.*?)</text>", drawn) == ["&lt;A&gt; ×2", "! B ×2", "✕ C"]
    assert sorted(re.findall(r'<path class="(edge[^"]*)"', drawn)) == [
        "edge",
        "edge back",
        "edge catch gone",
        "edge gone",
    ]
    assert re.findall(r'<g class="([^"]*)"', drawn) == ["state passed", "state caught", "state failed"]
