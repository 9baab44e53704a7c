"""Proves, in a real browser on the deployed stack, that the console shows what waits and brings it back.

And that it binds the browser: no request elsewhere, nothing that its policy forbids; no page is too wide, and one story
is told by keyboard alone.

It needs a Chromium on the PATH; without one it is skipped, and fails with CI=true. Of AWS it shows nothing, and of a
screen reader only that names and roles by which these tests find things are there.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from local.marks import Mark
from local.queues import drain
from local.session import Session
from tests.builders import DENY_ALL

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--no-sandbox",  # whoever runs the tests may be root
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_MILLISECONDS = 30_000
_MOST_KEYS = 60


# First of all, so that no stack is deployed where there is no browser to look at it.
pytestmark = pytest.mark.usefixtures("program")


@pytest.fixture(scope="session")
def program() -> str:
    """Where the browser is; without one the tests are skipped, in CI they fail."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found:
        return found
    missing = f"there is no browser: none of {', '.join(_NAMES)} is on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{missing}; with CI=true this is not taken for checked without one", pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="module")
def chromium(program: str) -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        yield browser
        browser.close()


@contextmanager
def console(stack: Session, *options: str) -> Iterator[str]:
    """Run `meq console` in the environment that `make up` gives a shell; return the address that it prints."""
    command = subprocess.Popen(
        [sys.executable, "-m", "meq", "console", *options],
        env=stack.engine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert command.stdout is not None
    try:
        told = ""
        for line in command.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        addresses = re.findall(r"http://127\.0\.0\.1:\d+/\?token=\S+", told)
        assert len(addresses) == 1, told
        yield addresses[0]
    finally:
        command.send_signal(signal.SIGINT)
        rest, _ = command.communicate(timeout=20)
    assert (command.returncode, "The console has ended." in rest) == (0, True), rest


@contextmanager
def opened(chromium: Browser, address: str, width: int = 1_200, scheme: str = "light") -> Iterator[Page]:
    """Open the console; in the end it has asked nobody else, and has broken neither its policy nor a script."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    asked: set[str] = set()
    said: list[str] = []

    def note(message: ConsoleMessage) -> None:
        said.append(f"{message.type}: {message.text}")

    context.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
    context.on("console", note)
    context.on("weberror", lambda error: said.append(str(error.error)))
    page = context.new_page()
    page.set_default_timeout(_MILLISECONDS)
    expect.set_options(timeout=_MILLISECONDS)
    page.goto(address)
    yield page
    context.close()
    assert (asked, said) == ({urlsplit(address).netloc}, [])


@contextmanager
def refusing(stack: Session, client: str) -> Iterator[None]:
    """Have the queue of a client refuse everything."""
    sqs, url = stack.engine.client("sqs"), stack.queues[client]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": DENY_ALL})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})


def ids_of(items: list[dict]) -> list[str]:
    """Return the ids of events as the table holds them."""
    return [item["eventId"]["S"] for item in items]


def redrives(stack: Session) -> int:
    """Return how many executions of the redrive machine there are."""
    pages = stack.engine.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=stack.outputs["RedriveStateMachineArn"])
    return sum(len(page["executions"]) for page in found)


def tab_to(page: Page, role: str, name: str) -> None:
    """Go on by the Tab key alone until what has this role and name has the focus, and is seen to have it."""
    wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type]
    wanted.wait_for()
    for _ in range(_MOST_KEYS):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            outline = wanted.evaluate("one => getComputedStyle(one).outlineStyle")
            assert outline == "solid", f"{name} does not show that it has the focus"
            return
    pytest.fail(f"{role} {name} is not come by with the Tab key")


def test_a_refused_queue_is_seen_and_redriven_by_keyboard_alone(stack: Session, chromium: Browser):
    """From the overview to everything delivered: the mark, the reason, a dry run, the redrive; the order holds."""
    first_mark, other = Mark("CON 1"), Mark("CON 2")
    first = [first_mark.lock(), other.lock(), first_mark.buy("Ann Example")]
    with console(stack) as address, opened(chromium, address) as page:
        with refusing(stack, "Police"):
            stack.deliver(first)
            held = page.locator('[data-live="held:Police"]')
            expect(held).to_have_text("3")  # the page refreshes itself
            expect(page.locator('[data-state="Police"]')).to_have_text("something is held")

            tab_to(page, "link", "What is held for Police")
            page.keyboard.press("Enter")
            row = page.get_by_role("row", name="CON 1")
            expect(row).to_contain_text("Sqs.AccessDenied")
            expect(row).to_contain_text("parked")
            assert "Ann Example" not in page.content()
        stack.deliver(last := [other.unlock()])

        tab_to(page, "button", "Redrive all… of Police")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Would deliver 4 events to Police.")).to_be_visible()
        expect(page.locator("#command")).to_have_text("meq redrive Police")
        expect(page).to_have_title(re.compile("^Redrive, dry run"))
        expect(page.locator("#outcome")).to_be_focused()  # though the page has loaded itself anew
        assert drain(stack.engine, stack.queues["Police"]) == []

        tab_to(page, "button", "Redrive now")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Delivered 4 events to Police.")).to_be_visible()
        expect(page.get_by_text("Nothing is held for Police any more.")).to_be_visible()

        tab_to(page, "link", "What waits for Police")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nothing is held there.")).to_be_visible()
    messages = drain(stack.engine, stack.queues["Police"])
    for mark in ("CON 1", "CON 2"):
        of_mark = [item for item in [*first, *last] if item["mark"]["S"] == mark]
        assert [one.event_id for one in messages if one.event["mark"] == mark] == ids_of(of_mark)


def test_a_lost_queue_is_seen_and_its_client_redriven_under_traffic(stack: Session, chromium: Browser):
    """A deleted queue is named as such; once it is there again, all comes in order, what came meanwhile behind it."""
    sqs, url = stack.engine.client("sqs"), stack.queues["Police"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    settings = {name: attributes[name] for name in ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit")}
    mark = Mark("CON 3")
    items = [mark.lock(), mark.unlock()]
    with console(stack) as address, opened(chromium, address) as page:
        sqs.delete_queue(QueueUrl=url)
        try:
            stack.deliver(items)
            expect(page.locator('[data-state="Police"]')).to_have_text("queue does not exist")
            page.get_by_role("link", name="Waiting", exact=True).click()
            expect(page.get_by_role("row", name="CON 3")).to_contain_text("Sqs.QueueDoesNotExist")
            expect(page.get_by_role("row", name="CON 3")).to_contain_text("make it again under the same name")
        finally:
            sqs.create_queue(QueueName=url.rsplit("/", 1)[-1], Attributes=settings)
        page.get_by_role("button", name="Redrive… CON 3 of Police").click()
        expect(page.get_by_text("Would deliver 2 events to Police.")).to_be_visible()
        stack.deliver(more := [mark.lock()])
        page.get_by_role("button", name="Redrive now").click()
        expect(page.get_by_text("Delivered 3 events to Police.")).to_be_visible()
    assert [one.event_id for one in drain(stack.engine, url)] == ids_of([*items, *more])


def test_what_the_gate_holds_is_looked_into_and_given_up(stack: Session, chromium: Browser):
    """A body when asked for; a discard with its reason, what follows is delivered, and the record is shown."""
    mark = Mark("Z 1 <b>")
    broken = mark.buy("Zoë Specimen")
    broken["RegistrationNumber"]["M"]["Status"] = {"S": "SOLD"}
    stack.deliver([broken, follower := mark.lock()])
    with console(stack) as address, opened(chromium, address) as page:
        page.get_by_role("link", name="What waits at the gate").click()
        page.get_by_role("link", name="Z 1 <b>", exact=True).click()
        expect(page.get_by_text("/RegistrationNumber/Status enum").first).to_be_visible()
        assert "Specimen" not in page.content()
        page.get_by_text("What it holds").first.click()
        page.get_by_role("button", name="Show it").first.click()
        expect(page.get_by_text("Zoë Specimen").or_(page.get_by_text("Zo\\u00eb Specimen"))).to_be_visible()
        page.go_back()

        page.get_by_role("link", name="Discard… Z 1 <b>").click()
        page.get_by_label("Why").fill("no such status")
        page.get_by_label("Who").fill("jo")
        page.get_by_role("button", name="Dry run…").click()
        expect(page.get_by_text("Would discard 1 and deliver 1 event")).to_be_visible()
        expect(page.locator("#command")).to_have_text("meq discard --gate 'Z 1 <b>' --reason='no such status' --by=jo")
        page.get_by_role("button", name="Discard now").click()
        expect(page.get_by_text("Discarded 1. Delivered 1 event to everybody.")).to_be_visible()

        page.get_by_role("link", name="Discards", exact=True).click()
        expect(page.get_by_role("row", name="Z 1 <b>")).to_contain_text("no such status")
    assert [one.event_id for one in drain(stack.engine, stack.queues["Insurer"])] == ids_of([follower])


def test_an_execution_shows_the_path_that_it_took(stack: Session, chromium: Browser):
    """The states in words and as a graph, the caught error marked; the redrive machine's executions likewise."""
    mark = Mark("CON 4")
    with refusing(stack, "Police"):
        stack.deliver([mark.lock()])
    with console(stack) as address, opened(chromium, address) as page:
        page.goto(address.split("?", 1)[0] + "executions")
        page.locator("tbody a").first.click()
        expect(page.get_by_role("row", name="Batch Handled")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="Sqs.AccessDenied")).to_contain_text("caught")
        graph = page.get_by_role("img")
        expect(graph.locator("g.passed", has_text="Validate Events")).to_have_count(1)
        expect(graph.locator("g.caught")).not_to_have_count(0)
        expect(graph.locator("g.never", has_text="Stores Too Slow")).to_have_count(1)
        page.go_back()
        page.get_by_role("link", name="redrive", exact=True).click()
        expect(page.get_by_role("heading", name="Executions")).to_be_visible()


def test_a_client_is_paused_on_the_page_and_the_command_says_so(stack: Session, chromium: Browser):
    """With the reason, after a look at what it would do; the resume is begun from the page, too."""
    with console(stack) as address, opened(chromium, address) as page:
        page.get_by_role("link", name="Clients", exact=True).click()
        page.get_by_role("link", name="Pause… Police").click()
        page.get_by_label("Why").fill("moving house")
        page.get_by_role("button", name="Look at it first…").click()
        expect(page.get_by_text("From within a minute on everything is held for Police")).to_be_visible()
        page.get_by_role("button", name="Pause now").click()
        expect(page.get_by_text("Police is paused")).to_be_visible()
        try:
            page.get_by_role("link", name="Clients", exact=True).click()
            expect(page.get_by_role("article", name="Police")).to_contain_text("paused")
        finally:
            page.get_by_role("button", name="Resume… Police").click()
            page.get_by_role("button", name="Resume now").click()
            expect(page.get_by_text("until no function holds anything for it any more")).to_be_visible()
    parameter = f"{stack.outputs['ClientsPath']}/Police"
    said = stack.engine.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    assert "paused" not in said


def test_no_page_is_wider_than_the_screen(stack: Session, chromium: Browser):
    """On a telephone and on a wide screen, in light and dark, with something on every page; the colours differ."""
    broken, wide = Mark("CON 5").lock(), "W" * 60
    broken["RegistrationNumber"]["M"]["Status"] = {"S": "S" * 300}
    with refusing(stack, "Police"):
        stack.deliver([broken, Mark(wide).lock()])
    sequences = ["sequence?recipient=gate&mark=CON+5", f"sequence?recipient=Police&mark={wide}"]
    asking = ["do/discard?recipient=gate&mark=CON+5", "do/pause?recipient=Police"]
    papers = set()
    with console(stack) as address:
        root = address.split("?", 1)[0]
        for width, scheme in product((380, 1_600), ("light", "dark")):
            with opened(chromium, address, width, scheme) as page:
                page.goto(f"{root}executions")
                execution = (page.locator("tbody a").first.get_attribute("href") or "")[1:]
                for place in ["", "clients", "waiting", "executions", execution, "discards", *sequences, *asking]:
                    page.goto(root + place)
                    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (place, width)
                page.goto(f"{root}waiting?recipient=Police")
                page.get_by_role("button", name="Redrive all… of Police").click()
                page.get_by_role("button", name="Redrive now").wait_for()
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), ("dry run", width)
                papers.add((scheme, page.evaluate("getComputedStyle(document.documentElement).backgroundColor")))
    assert papers == {("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")}


def test_a_console_for_reading_has_nothing_to_do_anything_with(stack: Session, chromium: Browser):
    """It shows what waits, and says that it is for reading; no button starts anything."""
    with refusing(stack, "Police"):
        stack.deliver([Mark("CON 6").lock()])
    before = redrives(stack)
    with console(stack, "--read-only") as address, opened(chromium, address) as page:
        expect(page.get_by_text("read-only")).to_be_visible()
        root = address.split("?", 1)[0]
        for place in ("clients", "waiting", "sequence?recipient=Police&mark=CON+6"):
            page.goto(root + place)
            expect(page.get_by_text(re.compile("Redrive|Discard…|Pause…"))).to_have_count(0)
        expect(page.get_by_text("Sqs.AccessDenied")).to_be_visible()
        assert page.context.request.get(f"{root}do/discard?recipient=Police").status == 403
        assert page.context.request.post(f"{root}try").status == 403
    assert redrives(stack) == before


def test_another_site_gets_nothing_out_of_the_console(stack: Session, chromium: Browser):
    """A page of another port, to which the browser would even lend the cookie: it reads nothing and starts nothing."""
    before = redrives(stack)
    with console(stack) as address:
        context = chromium.new_context()
        page = context.new_page()
        page.goto(address)
        root = address.split("?", 1)[0]
        page.route("http://127.0.0.1:9/**", lambda route: route.fulfill(content_type="text/html", body="<p>elsewhere"))
        page.goto("http://127.0.0.1:9/")
        read = page.evaluate(
            f"fetch('{root}counts.json', {{credentials: 'include'}}).then(() => 'read', () => 'refused')"
        )
        sent = page.evaluate(
            f"fetch('{root}try', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: "
            "new URLSearchParams({verb: 'redrive', recipient: 'Police'})}).then(() => 'sent', () => 'refused')"
        )
        assert (read, sent) == ("refused", "refused")
        stranger = chromium.new_context()
        assert stranger.request.get(root).status == 401
        stranger.close()
        context.close()
    assert redrives(stack) == before
