"""The console's pages: what each address answers. What it shows and does is in the modules that it calls."""

import getpass
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, cast

from flask import Flask, Response, abort, g, jsonify, redirect, render_template, request, url_for
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Answer

from mark_event_queue.domain.held import GATE
from meq.console import looking, words
from meq.console.advice import about_obstacle
from meq.console.doing import VERBS, Errand, Errands, Wanted
from meq.console.graph import svg
from meq.console.guard import HEADERS, Guard, RefusedError
from meq.console.queues import Ages
from meq.console.runs import MACHINES, Runs
from meq.errors import KNOWN, NothingHeldError, OperatorError, explain
from meq.held import HeldEvents
from meq.stack import Stack
from meq.text import many, safe, unquoted

_LONGEST_FORM = 64 * 1024
_LAST_PAGE = 100_000  # further than anybody turns
_PAGES = {
    "overview": "Overview",
    "clients": "Clients",
    "waiting": "Waiting",
    "executions": "Executions",
    "discards": "Discards",
}


def create(stack: Stack, guard: Guard, errands: Errands, read_only: bool = False) -> Flask:
    """Return the console of a stack as a WSGI application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = _LONGEST_FORM
    app.jinja_options = {
        "finalize": words.shown,
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    app.jinja_env.globals.update(
        stack_name=stack.name,
        region=_region(stack),
        read_only=read_only,
        form_token=guard.form_token,
        pages=_PAGES,
        GATE=GATE,
        rules=words.rules,
        word=words.word,
        whose=words.whose,
        ago=words.ago,
        instant=words.instant,
        duration=words.duration,
        many=many,
        about_obstacle=about_obstacle,
    )
    _let_in(app, guard)
    _tell_errors(app)
    _look(app, stack, errands)
    if read_only:
        for address in ("/do/<verb>", "/try", "/confirm"):
            app.add_url_rule(address, f"refused {address}", _refuse, methods=["GET", "POST"])
    else:
        _do(app, stack, errands)
    return app


def _let_in(app: Flask, guard: Guard) -> None:
    @app.before_request
    def check() -> Answer | None:
        guard.check_host(request.headers.get("Host", ""))
        if request.path == "/" and request.method == "GET" and guard.opens(request.args.get("token", "")):
            answer = redirect(url_for("overview"), 303)
            answer.set_cookie(guard.cookie, guard.token, httponly=True, samesite="Strict")
            return answer
        guard.check(request.method, request.headers, request.cookies.get(guard.cookie, ""))
        g.is_let_in = True
        if not guard.only_reads(request.method):  # a form is not read before that: it may be too long
            guard.check_form(request.form.get("form_token", ""))
        return None

    @app.after_request
    def seal(answer: Response) -> Response:
        answer.headers.update(HEADERS)
        return answer


def _tell_errors(app: Flask) -> None:
    def told(title: str, text: str, status: int) -> tuple[str, int]:
        return render_template("error.html", title=title, lines=text.splitlines()), status

    def plain(text: str, status: int) -> tuple[str, int, dict[str, str]]:
        return f"{text}\n", status, {"Content-Type": "text/plain; charset=utf-8"}

    @app.errorhandler(RefusedError)
    def refused(error: RefusedError) -> tuple[str, int, dict[str, str]]:
        return plain(str(error), error.status)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> tuple[Any, ...]:
        if not g.get("is_let_in"):  # a page has the stack's name
            return plain(error.name, error.code or 500)
        return told(error.name, str(error.description or error.name), error.code or 500)

    def known(error: Exception) -> tuple[str, int]:
        if isinstance(error, NothingHeldError):
            return told("Nothing is held there", explain(error), 404)
        if isinstance(error, OperatorError):
            return told("This cannot be done", explain(error), 400)
        return told("The stack cannot be asked", explain(error), 502)

    for kind in KNOWN:
        app.register_error_handler(kind, known)


def _look(app: Flask, stack: Stack, errands: Errands) -> None:
    ages = Ages(stack)

    @app.get("/")
    def overview() -> str:
        return render_template("overview.html", flow=looking.flow(stack, ages))

    @app.get("/counts.json")
    def counts() -> Response:
        flow = looking.flow(stack, ages)
        return jsonify(
            at=f"{flow.at:%H:%M:%S}",
            shape=_shape(flow.counts),
            counts={name: asdict(count) for name, count in flow.counts.items()},
            states={name: asdict(state) for name, state in flow.states.items()},
        )

    app.jinja_env.globals["shape"] = _shape

    @app.get("/clients")
    def clients() -> str:
        found = looking.clients(stack, ages)
        standings = looking.standings(stack, [one.registration.name for one in found])
        return render_template("clients.html", clients=found, standings=standings)

    @app.get("/waiting")
    def waiting() -> str:
        recipient, mark = _recipient(), _mark(request.args.get("mark"))
        recipients, page = looking.recipients(stack), looking.waiting(stack, recipient, mark, _number())
        return render_template(
            "waiting.html",
            recipients=recipients,
            recipient=recipient,
            mark=mark,
            page=page,
            like=HeldEvents(stack).like(recipient, mark) if mark and not page.rows else [],
            standings=looking.standings(stack, [name for name, _ in recipients]),
        )

    @app.get("/sequence")
    def sequence() -> str:
        recipient, mark = _of_a_sequence(request.args)
        head, page = looking.sequence(stack, recipient, mark, _number())
        return render_template("sequence.html", head=head, page=page, standings=looking.standings(stack, [recipient]))

    @app.post("/body")
    def body() -> str:
        recipient, mark = _of_a_sequence(request.form)
        event = HeldEvents(stack).event(recipient, mark, request.form.get("event_id", ""), body=True)
        return render_template("body.html", event=event)

    @app.get("/executions")
    def executions() -> str:
        machine = request.args.get("machine", "delivery")
        if machine not in MACHINES:
            abort(404)
        at = words.instant_of(request.args.get("at"))
        listed = Runs(stack).recent(machine, at)
        return render_template(
            "executions.html", machine=machine, machines=MACHINES, listed=listed, at=at, errands=errands
        )

    @app.get("/execution")
    def execution() -> str:
        runs, arn = Runs(stack), request.args.get("arn", "")
        path = runs.path(arn, words.instant_of(request.args.get("at")))
        drawn = Markup(svg(runs.definition(path.run.machine), path.steps, path.ways))  # noqa: S704 - it escapes what it draws
        return render_template("execution.html", path=path, graph=drawn)

    @app.get("/discards")
    def discards() -> str:
        recipient = _recipient()
        names, page = looking.discards(stack, recipient, _number())
        return render_template("discards.html", names=names, recipient=recipient, page=page)


def _do(app: Flask, stack: Stack, errands: Errands) -> None:
    @app.get("/do/<verb>")
    def ask(verb: str) -> str:
        if verb not in VERBS:
            abort(404)
        recipient, mark = _recipient() or "", _mark(request.args.get("mark"))
        obstacle = looking.standings(stack, [recipient]).obstacles.get(recipient)
        return render_template("ask.html", verb=verb, recipient=recipient, mark=mark, by=_user(), obstacle=obstacle)

    @app.post("/try")
    def try_out() -> Answer:
        said = request.form
        wanted = Wanted(
            said.get("verb", ""),
            said.get("recipient", ""),
            _mark(said.get("mark")),
            said.get("scope") == "all",
            " ".join(said.get("reason", "").split()),
            " ".join(said.get("by", "").split()),
        )
        return redirect(url_for("errand", key=errands.try_out(wanted).key), 303)

    @app.post("/confirm")
    def confirm() -> Answer:
        tried = errands.find(request.form.get("key", ""))
        return redirect(url_for("errand", key=errands.confirm(tried).key), 303)

    @app.get("/errand/<key>")
    def errand(key: str) -> str:
        found = errands.find(key).at_this_moment()
        command, too_old = errands.command(found.wanted), errands.is_too_old(found)
        return render_template("errand.html", errand=found, command=command, too_old=too_old, kind=_kind(found))

    @app.get("/errand/<key>.json")
    def progress(key: str) -> Response:
        found = errands.find(key)
        return jsonify(said=safe(found.said), ended=found.ended)


def _refuse(**_: str) -> str:
    raise RefusedError("This console is read-only: it was started with --read-only. The commands of meq can do it.")


def _mark(given: str | None) -> str | None:
    return unquoted(given) if given else None


def _recipient() -> str | None:
    return request.args.get("recipient") or None


def _of_a_sequence(said: Any) -> tuple[str, str]:
    recipient, mark = said.get("recipient"), _mark(said.get("mark"))
    if not (recipient and mark):
        raise OperatorError("Say for whom, and of which mark.")
    return recipient, mark


def _number() -> int:
    return min(max(1, request.args.get("page", 1, type=int)), _LAST_PAGE)


def _shape(counts: Iterable[str]) -> str:
    """Return what a page of these counts is known by: with others it has to be loaded anew."""
    return " ".join(sorted(map(safe, counts)))


def _kind(errand: Errand) -> str:
    return type(errand.outcome).__name__


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a user without an entry in the password file
        return ""


def _region(stack: Stack) -> str:
    meta = getattr(stack.client("stepfunctions"), "meta", None)
    return cast(str, getattr(meta, "region_name", ""))
