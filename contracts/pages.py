"""Writes docs/contract/index.html: the AsyncAPI document as one page to read, which needs no network and no script.

AsyncAPI's own renderers read the document by JavaScript, which rounds its numbers. Here every digit stays.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, NamedTuple

from contracts.asyncapi import DOCUMENT, text_of
from contracts.generated import FOLDER, GenerationError, write_or_check
from mark_event_queue.domain.contract import read_exactly

PAGE = FOLDER / "index.html"

Node = dict[str, Any]

_STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --soft: #f6f8fa; --dim: #59636e; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #161b22; --dim: #9198a1; --link: #79b8ff; } }
* { box-sizing: border-box; }
body { margin: 0; display: flex; font: 16px/1.5 system-ui, sans-serif; }
nav { flex: 0 0 17rem; height: 100vh; position: sticky; top: 0; overflow: auto; padding: 1.5rem;
  background: var(--soft); border-right: 1px solid var(--line); font-size: .9rem; }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
main { flex: 1; min-width: 0; max-width: 64rem; padding: 1.5rem 2.5rem 6rem; }
h1 { margin-top: 0; line-height: 1.2; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin: 2.5rem 0 .5rem; }
h4 { margin: 1.25rem 0 .5rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border: 1px solid var(--line); }
th { background: var(--soft); }
td:first-child { white-space: nowrap; }
td:last-child { overflow-wrap: anywhere; }
td p { margin: 0 0 .25rem; }
code, pre { font: .85em/1.45 ui-monospace, monospace; }
pre { margin: 0; padding: .75rem 1rem; overflow: auto; background: var(--soft); border: 1px solid var(--line); }
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
.dim { color: var(--dim); }
@media (max-width: 50rem) { body { display: block; } nav { height: auto; position: static; } main { padding: 1.5rem; } }
""".strip()

# What the column of the type, or the rows below, say already.
_SAID = frozenset({"title", "description", "type", "properties", "required", "examples", "$comment"})


class Row(NamedTuple):
    """A line of a table of properties."""

    name: str
    depth: int
    is_required: bool
    type: str
    notes: str


class Page:
    """The page of a document."""

    def __init__(self, document: Node) -> None:
        """Take an AsyncAPI document, numbers read exactly."""
        self._document = document
        self._schemas: dict[str, Node] = document["components"]["schemas"]

    def html(self) -> str:
        """Return the page."""
        info = self._document["info"]
        title = f"{escape(info['title'])} {escape(info['version'])}"
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n{self._contents()}\n"
            f"<main>\n<h1>{title}</h1>\n{_prose(info['description'])}\n{self._about()}\n"
            f'<h2 id="channels">Channels</h2>\n{self._join(self._channels())}\n'
            f'<h2 id="messages">Messages</h2>\n{self._join(self._messages())}\n'
            f'<h2 id="types">Types</h2>\n{self._join(self._types())}\n</main>\n</body>\n</html>\n'
        )

    @staticmethod
    def _join(parts: Iterator[str]) -> str:
        return "\n".join(parts)

    def _contents(self) -> str:
        groups = {
            "channels": {f"channel-{name}": one["title"] for name, one in self._document["channels"].items()},
            "messages": {f"message-{name}": name for name in self._document["components"]["messages"]},
            "types": {f"type-{name}": self._title(name) for name in self._leaves()},
        }
        lists = [
            f'<a href="#{group}"><b>{group.capitalize()}</b></a>\n<ul>\n'
            + "\n".join(f'<li><a href="#{escape(place)}">{escape(text)}</a></li>' for place, text in entries.items())
            + "\n</ul>"
            for group, entries in groups.items()
        ]
        return "<nav>\n" + "\n".join(lists) + "\n</nav>"

    def _about(self) -> str:
        info = self._document["info"]
        server = self._document["servers"]["sqs"]
        facts = {
            "Server": f"<code>{escape(server['host'] + server['pathname'])}</code> {_inline(server['description'])}",
            "Licence": escape(info["license"]["name"]),
            "Made from": f'<a href="{DOCUMENT.name}">{DOCUMENT.name}</a>, AsyncAPI {self._document["asyncapi"]}',
        }
        return _table([], [[name, text] for name, text in facts.items()])

    def _channels(self) -> Iterator[str]:
        for name, channel in self._document["channels"].items():
            links = [f'<a href="#message-{escape(message)}">{escape(message)}</a>' for message in channel["messages"]]
            queue = channel["bindings"]["sqs"]["queue"]
            operations = [
                f"<code>{escape(operation)}</code>: the application <b>{escape(one['action'])}s</b>. "
                f"{_inline(one['description'])}"
                for operation, one in self._document["operations"].items()
                if one["channel"]["$ref"] == f"#/channels/{name}"
            ]
            settings = [f"{escape(key)}: {_code(value)}" for key, value in queue.items() if key != "name"]
            parameters = {
                f"<code>{{{escape(parameter)}}}</code>": f"{_inline(one['description'])} Such as "
                + ", ".join(f"<code>{escape(value)}</code>" for value in one["examples"])
                for parameter, one in channel.get("parameters", {}).items()
            }
            facts = {
                "Queue": f"<code>{escape(channel['address'])}</code>",
                **parameters,
                "Operation": "<br>".join(operations),
                "Messages": ", ".join(links),
                "Settings": "<br>".join(settings),
            }
            yield f'<h3 id="channel-{escape(name)}">{escape(channel["title"])}</h3>\n{_prose(channel["description"])}'
            yield _table([], [[key, text] for key, text in facts.items()])

    def _messages(self) -> Iterator[str]:
        for name, message in self._document["components"]["messages"].items():
            yield f'<h3 id="message-{escape(name)}">{escape(name)}</h3>\n{_prose(message["description"])}'
            yield f'<p class="dim">{_inline(message["summary"])} {escape(message["contentType"])}</p>'
            yield f"<h4>Attributes</h4>\n{self._properties(message['headers'])}"
            yield f"<h4>Body</h4>\n{self._properties(message['payload'])}"
            yield "<h4>Examples</h4>"
            for example in message["examples"]:
                attributes = "\n".join(f"{key} = {value}" for key, value in example["headers"].items())
                text = f"{attributes}\n\n{text_of(example['payload'])}"
                yield (
                    f"<details open><summary>{escape(example['summary'])}</summary>\n"
                    f"<pre>{escape(text, quote=False)}</pre></details>"
                )

    def _types(self) -> Iterator[str]:
        for name in self._leaves():
            schema = self._merged(self._schemas[name])
            yield f'<h3 id="type-{escape(name)}">{escape(self._title(name))}</h3>'
            yield _prose(schema.get("description", ""))
            yield _table([], [["Type", _type(schema)], ["Rules", _rules(schema) or "none"]])

    def _leaves(self) -> list[str]:
        """Return the names of the schemas that are described once: those with a title, and without properties."""
        return [
            name
            for name, schema in self._schemas.items()
            if "title" in schema and not self._merged(schema).get("properties")
        ]

    def _title(self, name: str) -> str:
        return str(self._schemas[name]["title"])

    def _properties(self, schema: Node) -> str:
        rows = [
            [
                f'<code style="padding-left: {row.depth * 1.2:g}rem">{escape(row.name)}</code>',
                row.type + ("" if row.is_required else ' <span class="dim">optional</span>'),
                row.notes,
            ]
            for row in self._rows(self._merged(schema), 0)
        ]
        rules = _rules(self._merged(schema))
        return _table(["Name", "Type", "What it says, and its rules"], rows) + (f"\n<p>{rules}</p>" if rules else "")

    def _rows(self, schema: Node, depth: int) -> Iterator[Row]:
        for name, one in schema.get("properties", {}).items():
            inner, leaf = self._merged(one), self._leaf(one)
            is_required = name in schema.get("required", ())
            if leaf:
                kind = f'<a href="#type-{escape(leaf)}">{escape(self._title(leaf))}</a>'
                yield Row(name, depth, is_required, kind, _inline(one.get("description", "")))
                continue
            notes = "<br>".join(part for part in (_inline(inner.get("description", "")), _rules(inner)) if part)
            yield Row(name, depth, is_required, _type(inner), notes)
            yield from self._rows(inner, depth + 1)

    def _leaf(self, schema: Node) -> str:
        """Return the name of the type that a property has and that is described once, if it adds no rule to it."""
        parts = [schema] if "$ref" in schema else schema.get("allOf", [])
        is_plain = "$ref" in schema or not schema.keys() - {"title", "description", "allOf"}
        if len(parts) == 1 and is_plain and "$ref" in parts[0]:
            name = _last(parts[0]["$ref"])
            return name if name in self._leaves() else ""
        return ""

    def _merged(self, schema: Node) -> Node:
        """Return a schema with its references followed and the parts of its allOf together.

        Raises:
            GenerationError: two parts say different things that are not told together here.
        """
        if "$ref" in schema:
            return self._merged(self._schemas[_last(schema["$ref"])])
        whole: Node = {}
        own = {keyword: value for keyword, value in schema.items() if keyword != "allOf"}
        for part in [*(self._merged(part) for part in schema.get("allOf", [])), own]:
            for keyword, value in part.items():
                whole[keyword] = _both(keyword, whole[keyword], value) if keyword in whole else value
        return whole


def _both(keyword: str, one: Any, other: Any) -> Any:
    """Return what two parts of an allOf say together by a keyword; the later is the nearer one."""
    if keyword == "properties":
        shared = {name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}
        return {**one, **other, **{name: shared[name] for name in one if name in shared}}
    if keyword == "required":
        return [*one, *(name for name in other if name not in one)]
    if keyword == "type":
        common = [kind for kind in _list(one) if kind in _list(other)]
        return common[0] if len(common) == 1 else common
    if keyword in ("title", "description", "$comment", "examples") or one == other:
        return other
    raise GenerationError(f"two parts of an allOf have a {keyword}: teach contracts/pages.py to tell both")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return f"<code>{escape(text_of(schema['const']))}</code>"
    return " or ".join(escape(kind) for kind in _list(schema.get("type", "anything")))


def _rules(schema: Mapping[str, Any]) -> str:
    """Return every rule of a schema that its type and its properties do not tell."""
    # Where only one value is allowed, which the type's column tells, the list of what others may have tells nothing.
    said = _SAID | ({"const", "enum"} if "const" in schema else set())
    rules = [_rule(keyword, value) for keyword, value in schema.items() if keyword not in said]
    if examples := schema.get("examples"):
        rules.append("such as " + ", ".join(_code(one) for one in examples))
    return "<br>".join(rules)


def _rule(keyword: str, value: Any) -> str:
    if keyword == "dependencies":
        return "<br>".join(f"{_code(name)} only with {', '.join(map(_code, others))}" for name, others in value.items())
    return f"{keyword}: " + (", ".join(map(_code, value)) if keyword == "enum" else _code(value))


def _code(value: Any) -> str:
    line = re.sub(r"\s*\n\s*", " ", text_of(value))
    return f"<code>{escape(line, quote=False)}</code>"


def _inline(text: str) -> str:
    """Return a line of Markdown, of which code and emphasis are known here."""
    coded = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", coded)


def _prose(text: str) -> str:
    """Return Markdown of paragraphs and lists."""
    blocks = []
    for block in text.split("\n\n") if text else []:
        if block.startswith("- "):
            entries = re.split(r"\n?^- ", block, flags=re.MULTILINE)[1:]
            blocks.append("<ul>\n" + "\n".join(f"<li>{_inline(entry)}</li>" for entry in entries) + "\n</ul>")
        else:
            blocks.append(f"<p>{_inline(block)}</p>")
    return "\n".join(blocks)


def _table(head: list[str], rows: list[list[str]]) -> str:
    heading = "<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>\n" if head else ""
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>\n{heading}{body}\n</table>"


def made() -> str:
    """Return the page of the document as it stands in docs/contract/.

    Raises:
        GenerationError: the document is not there.
    """
    if not DOCUMENT.is_file():
        raise GenerationError("docs/contract/asyncapi.json is not there: run python -m contracts.asyncapi")
    return Page(read_exactly(DOCUMENT.read_text("utf-8"))).html()


def main() -> None:
    """Write the page, or with --check tell whether it is up to date."""
    write_or_check("contracts.pages", __doc__.splitlines()[0], PAGE, made)


if __name__ == "__main__":
    main()
