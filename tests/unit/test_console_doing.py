"""Unit tier, what the console does: proves what each errand starts, after which look, and what is told of it."""

import html
import json
import re
import shlex
import sys

import pytest

from mark_event_queue.domain.held import GATE, PAUSED
from meq.console.doing import Errand, Errands, Wanted
from meq.stack import Stack
from tests.builders import client, entries, event_id
from tests.unit.test_console import (
    _addresses,
    _fields,
    _fill,
    _links,
    _refused,
    _would,
    browser,
    moto,
    open_console,
    world,
)
from tests.unit.test_meq import PATH, _redriven, _succeeded

__all__ = ["browser", "moto", "open_console", "world"]

QUEUE = client("Police")["queueUrl"]
LATE = {"queueUrl": QUEUE, "from": "beginning"}

WANTED = [
    ("redrive", "Police", {}),
    ("redrive", "Police", {"mark": "AFC 6"}),
    ("release", GATE, {}),
    ("release", GATE, {"mark": '"-x\\n"'}),
    ("discard", "Police", {"mark": "AFC 6", "reason": 'it is "wrong" & don\'t ask', "by": "-jo"}),
    ("discard", "Police", {"mark": "AFC 6", "scope": "all", "reason": "-", "by": "jo"}),
    ("discard", "Police", {"scope": "all", "reason": "r", "by": "jo"}),
    ("discard", GATE, {"mark": "AFC 6", "reason": "r", "by": "jo"}),
    ("discard", GATE, {"scope": "all", "reason": "r", "by": "jo"}),
]


@pytest.mark.parametrize(("verb", "recipient", "form"), WANTED)
def test_what_is_confirmed_is_what_the_command_beside_it_does(browser, verb, recipient, form):
    """A dry run first, then the same without it; the command that is shown, run by a shell, asks for just that."""
    for mark in ("AFC 6", "-x\n"):
        browser.world.park(recipient, entries([mark]))
    outcome = _redriven(2, discarded=1)
    browser.machines.answers = [_would(2, 1), outcome, outcome]

    tried = browser.try_out(verb, recipient, **form)
    page = browser.text(tried)
    (command,) = re.findall(r'<code id="command">(.*?)</code>', page, re.DOTALL)
    told = browser.text(browser.confirm(tried))
    by_command = browser.world.meq(*shlex.split(html.unescape(command))[1:])

    assert by_command.exit_code == 0, by_command.output
    dry, done, commanded = browser.machines.started
    assert (dry["dryRun"], done["dryRun"]) == (True, False)
    assert dry | {"dryRun": False} == done
    assert done.pop("eventId", "") == (event_id(1) if (verb, form.get("scope")) == ("discard", None) else "")
    assert done == commanded
    assert "Would" in page
    assert "Delivered 2 events" in told


def test_nothing_is_done_before_it_is_confirmed_and_then_once(browser):
    """A second confirmation leads to what the first has started."""
    browser.world.park("Police", entries(["AFC 6"]))
    browser.machines.answers = [_would(1), _redriven(1)]
    tried = browser.try_out("redrive", "Police")
    assert [one["dryRun"] for one in browser.machines.started] == [True]
    assert browser.confirm(tried) == browser.confirm(tried)
    assert [one["dryRun"] for one in browser.machines.started] == [True, False]
    assert "It was confirmed" in browser.text(tried)


def test_a_page_of_what_ends_while_it_is_written_says_that_it_is_under_way(browser):
    """It then loads itself anew; a page that says neither would wait for ever."""
    errand = Errand(Wanted("pause", "Police", reason="r", by="jo"), is_dry_run=True)
    seen = errand.at_this_moment()
    errand.outcome, errand.ended = "it would", True
    assert (seen.ended, seen.outcome, seen.key) == (False, None, errand.key)
    assert errand.at_this_moment() == errand


def test_only_what_a_dry_run_has_told_of_can_be_confirmed(browser):
    """Not what failed, and not what has been done: that would do it again."""
    browser.world.park("Police", entries(["AFC 6"]))
    browser.machines.answers = [{"status": "FAILED"}, _would(1), _redriven(1)]
    failed = browser.try_out("redrive", "Police")
    done = browser.confirm(browser.try_out("redrive", "Police"))
    for address in (failed, done):
        answer = browser.post("/confirm", key=address.rsplit("/", 1)[-1])
        assert (answer.status_code, "Begin anew" in answer.text) == (400, True)
    assert [one["dryRun"] for one in browser.machines.started] == [True, True, False]


def test_no_other_event_is_given_up_than_the_one_that_was_shown(browser):
    """If the first event of the mark is another one when it is confirmed, nothing is done."""
    first, second = entries(["AFC 6"] * 2)
    browser.world.park("Police", [first, second])
    browser.machines.answers = [_would(1, 1)]
    tried = browser.try_out("discard", "Police", mark="AFC 6", reason="r", by="jo")
    assert f"Would give up the event <code>{event_id(1)}</code>" in browser.text(tried)

    browser.world.table.forget("Police", [first], {})

    assert "The first event held of this mark is another one by now" in browser.text(browser.confirm(tried))
    assert [one["eventId"] for one in browser.machines.started] == [event_id(1)]  # which the machine demands, too


@pytest.mark.parametrize(("form", "more"), [({}, "B1 GAP"), ({"mark": "AFC 6"}, "AFC 6")])
def test_no_more_is_given_up_than_was_shown(browser, form, more):
    """If more is held of it when it is confirmed, nothing is done; what has left meanwhile is no reason."""
    first, second, third = entries(["AFC 6", "AFC 6", more])
    browser.world.park("Police", [first, second])
    browser.machines.answers = [_would(0, 2), _would(0, 2), _redriven(0, discarded=1)]
    wanted = {"scope": "all", "reason": "r", "by": "jo"} | form
    tried, again = (browser.try_out("discard", "Police", **wanted) for _ in range(2))

    browser.world.table.forget("Police", [first], {})
    browser.world.table.count_out("Police", 1)
    assert "Discarded 1." in browser.text(browser.confirm(again))

    browser.world.park("Police", [first])
    browser.world.park("Police", [third])
    assert "More is held by now than the dry run told of" in browser.text(browser.confirm(tried))
    assert [one["dryRun"] for one in browser.machines.started] == [True, True, False]


def test_a_dry_run_of_a_discard_grows_old(browser, open_console):
    """What it showed is not confirmed any more after some minutes; that of a redrive harms nothing."""
    now = 0.0
    browser = open_console(clock=lambda: now)
    browser.world.park("Police", entries(["AFC 6"]))
    browser.machines.answers = [_would(0, 1), _would(1), _redriven(1)]
    discard = browser.try_out("discard", "Police", scope="all", reason="r", by="jo")
    redrive = browser.try_out("redrive", "Police")
    assert 'action="/confirm"' in browser.text(discard)

    now = 301.0

    page = browser.text(discard)
    assert ('action="/confirm"' in page, "Begin anew" in page) == (False, True)
    assert browser.post("/confirm", key=discard.rsplit("/", 1)[-1]).status_code == 400
    assert "Delivered 1 event" in browser.text(browser.confirm(redrive))
    assert [one["dryRun"] for one in browser.machines.started] == [True, True, False]


def test_a_dry_run_of_the_gate_shows_rules_and_says_that_it_does_not_judge(browser):
    """What would be taken is not what would be delivered: the contract is the same, as long as nobody changes it."""
    browser.world.quarantine(entries(["AFC 6"]))
    browser.machines.answers = [_would(1)]
    page = browser.text(browser.try_out("release", GATE))
    assert "/RegistrationNumber/Status enum" in page
    assert "A dry run does not judge" in page


def test_what_stays_held_is_told(browser):
    """A queue that refuses still: which marks, and why; the page is no success."""
    browser.world.park("Police", entries(["AFC 6"]))
    browser.machines.answers = [_would(1), _redriven(0, "Sqs.AccessDenied")]
    page = browser.text(browser.confirm(browser.try_out("redrive", "Police")))
    assert "Stopped: 1 sequence (Sqs.AccessDenied)" in re.sub(r"\s+", " ", page)
    assert _links(page, "/sequence") == ["/sequence?recipient=Police&mark=AFC+6"]
    assert "note good" not in page


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"status": "FAILED", "error": "E", "cause": '{"errorMessage": "m"}'}, "FAILED: E: m"),
        (_refused("AccessDenied", "DescribeExecution"), "It goes on in Step Functions"),
    ],
)
def test_an_execution_that_fails_or_is_lost_from_sight_is_told(browser, answer, told):
    """Nothing can be confirmed then."""
    browser.world.park("Police", entries(["AFC 6"]))
    browser.machines.answers = [answer]
    page = browser.text(browser.try_out("redrive", "Police"))
    assert told in page
    assert 'action="/confirm"' not in page


def test_what_cannot_be_done_is_said_before_anything_starts(browser):
    """Nothing held, nobody of that name: as the command says it."""
    page = html.unescape(browser.text(browser.try_out("redrive", "Polcie")))
    assert "There is no client Polcie. Did you mean Police?" in page
    assert "Nothing is held for Police." in browser.text(browser.try_out("redrive", "Police"))
    assert browser.machines.started == []


@pytest.mark.parametrize(
    ("verb", "recipient", "form"),
    [
        ("discard", "Police", {"mark": "A", "by": "jo"}),
        ("discard", "Police", {"mark": "A", "reason": "r"}),
        ("discard", "Police", {"reason": "r", "by": "jo"}),
        ("discard", "Police", {"mark": "A", "reason": "r\x1b", "by": "jo"}),
        ("pause", "Police", {"reason": " ", "by": "jo"}),
        ("pause", GATE, {"reason": "r", "by": "jo"}),
        ("release", "Police", {}),
        ("redrive", GATE, {}),
        ("redrive", "", {}),
        ("replay", "Police", {}),
    ],
)
def test_what_is_incomplete_or_makes_no_sense_is_refused(browser, verb, recipient, form):
    """Reason and name are for the record: one line each."""
    answer = browser.post("/try", verb=verb, recipient=recipient, **form)
    assert (answer.status_code, browser.machines.started) == (400, [])


def test_a_client_is_paused_and_resumed(browser):
    """Each is foretold, then confirmed; the registration keeps all else, and the command is shown."""
    ssm, name = browser.world.services["ssm"], f"{PATH}/Police"

    tried = browser.try_out("pause", "Police", reason="moving house", by="jo")
    page = html.unescape(browser.text(tried))
    assert "meq pause Police --reason='moving house' --by=jo" in page
    assert "paused" not in ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert "Police is paused" in browser.text(browser.confirm(tried))
    assert json.loads(ssm.get_parameter(Name=name)["Parameter"]["Value"])["paused"] is True
    assert "is paused already" in browser.text(browser.try_out("pause", "Police", reason="r", by="jo"))

    tried = browser.try_out("resume", "Police")
    assert "meq resume Police" in browser.text(tried)
    assert "Police is resumed" in browser.text(browser.confirm(tried))
    assert "paused" not in ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert "is not paused" in browser.text(browser.try_out("resume", "Police"))


def test_a_failed_redrive_after_a_resume_is_not_told_as_a_queue_that_refuses(browser):
    """Whoever mends the queue would wait in vain."""
    browser.world.register("Police", json.dumps({"queueUrl": QUEUE, "paused": True}))
    browser.world.table.hold("Police", [entries(["A"])], PAUSED, "")
    browser.machines.answers = [{"status": "FAILED", "error": "States.Timeout"}]
    page = browser.text(browser.confirm(browser.try_out("resume", "Police")))
    assert "failed: States.Timeout" in page
    assert "Its queue refuses" not in page


def test_a_history_is_started_where_it_is_what_everything_waits_for(browser):
    """After a look at how much it would be; the command beside it asks for the same."""
    browser.world.register("Police", json.dumps(LATE))
    would = {"client": "Police", "events": 10, "bytes": 5_000_000, "readUnits": 1_221, "secondsAtLeast": 1}
    browser.machines.answers = [_succeeded(would), _succeeded({})]
    (form,) = [form for form in _fields(browser.text("/clients")) if form.get("verb") == "history"]
    tried = browser._errand(browser.post("/try", **form))
    assert "Would read about 10 events" in browser.text(tried)
    assert "meq history Police" in browser.text(tried)
    assert "The history of Police is delivered" in browser.text(browser.confirm(tried))
    assert browser.machines.started == [{"client": "Police", "dryRun": True}, {"client": "Police"}]


def test_the_title_says_how_far_it_is(browser):
    """It is what a tab shows, and what is read out first when the page has loaded itself anew."""
    browser.world.park("Police", entries(["A"]))
    browser.machines.answers = [_would(1), _redriven(1)]
    tried = browser.try_out("redrive", "Police")
    assert "<title>Redrive, dry run ·" in browser.text(tried)
    assert "<title>Redrive, ended ·" in browser.text(browser.confirm(tried))


def test_a_console_for_reading_does_nothing(open_console):
    """No button but that of a body; whoever sends a form by hand is refused."""
    browser = open_console(read_only=True)
    _fill(browser)
    for address in _addresses(browser):
        page = browser.text(address)
        assert {form.get("verb") for form in _fields(page)} <= {None}, address
        assert _links(page, "/do/") == []
    for address in ("/try", "/confirm", "/do/discard"):
        answer = browser.post(address, verb="redrive", recipient="Police", key="x")
        assert (answer.status_code, "read-only" in answer.text) == (403, True)
    assert browser.get("/do/pause?recipient=Police").status_code == 403
    assert browser.machines.started == []
    page = browser.text("/sequence?recipient=Police&mark=AFC+6")
    assert browser.post("/body", **_fields(page)[0]).status_code == 200


def test_the_command_names_the_stack_as_the_console_was_told(world):
    """Whoever pastes it in the same shell reaches the same stack."""
    errands = Errands(Stack("blue", world), ["--stack", "blue", "--region", "eu west"])
    assert errands.command(Wanted("release", GATE)) == "meq release --stack blue --region 'eu west'"


def test_the_console_without_its_packages_says_what_to_install(world, monkeypatch):
    """The other commands need no web framework."""
    for name in [name for name in sys.modules if name.startswith("meq.console.") and name != "meq.console.command"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "werkzeug.serving", None)
    result = world.meq("console")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The console needs werkzeug, which is not installed.\nInstall it: pip install '.[console]'" in result.stderr


def test_the_console_of_a_stack_that_is_not_there_does_not_start(world):
    """That is better said in the terminal than on every page."""
    result = world.meq("console", "--stack", "nosuch")
    assert (result.exit_code, "There is no stack nosuch here." in result.stderr) == (2, True)
