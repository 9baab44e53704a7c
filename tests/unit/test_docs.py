"""Unit tier, documents: proves that what README, CONTRIBUTING and docs/ point to is there, by the name they give it.

It cannot say that what they tell of it is true, nor whether addresses of the web answer.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGE = ROOT / "functions" / "mark_event_queue"

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)[^)\s]*\)")
_CODE_FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.py)`")

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text("utf-8"))


def _links(document: Path) -> Iterator[tuple[str, Path]]:
    """Yield text and target of every link to a file of the repository."""
    for link in _LINK.finditer(_prose(document)):
        if ":" not in link["target"]:
            yield link["text"], document.parent / link["target"]


def _names_in(file: Path) -> set[str]:
    """Return what a file defines: functions, classes and methods, states, logical ids."""
    text = file.read_text("utf-8")
    if file.suffix == ".json":
        return set(re.findall(r'^ +"([^"]+)": \{$', text, re.MULTILINE))
    if file.suffix == ".yaml":
        return set(re.findall(r"^  (\w+):$", text, re.MULTILINE))
    defined = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    methods = [
        f"{owner.name}.{node.name}"
        for owner in defined
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef)
    ]
    return {node.name for node in defined} | set(methods)


def test_the_walk_sees_what_there_is_to_see():
    """The documents are found, and in them links, names and files such as the tests below look for."""
    assert {"README.md", "CONTRIBUTING.md", "architecture.md"} <= {document.name for document in DOCUMENTS}
    assert "convert" in [text.strip("`") for text, _ in _links(ROOT / "docs" / "architecture.md")]
    assert any(_CODE_FILE.search(_prose(document)) for document in DOCUMENTS)


@every_document
def test_links_lead_to_what_exists(document: Path):
    """A relative link leads to a file or folder of the repository."""
    assert [str(target) for _, target in _links(document) if not target.exists()] == []


@every_document
def test_a_name_that_is_linked_is_defined_there(document: Path):
    """A link whose text is a name in backticks leads to the file that defines the name."""
    named = [(text.strip("`"), target) for text, target in _links(document) if re.fullmatch(r"`[\w .?-]+`", text)]
    code = {".py", ".yaml", ".json"}
    of_code = [(name, file) for name, file in named if file.suffix in code and file.is_file() and name != file.name]

    assert [(name, str(file)) for name, file in of_code if name not in _names_in(file)] == []


@every_document
def test_files_of_code_that_are_named_exist(document: Path):
    """A path in backticks is one from the top, or from the package of the functions."""
    named = _CODE_FILE.findall(_prose(document))

    assert [path for path in named if not (ROOT / path).is_file() and not (PACKAGE / path).is_file()] == []
