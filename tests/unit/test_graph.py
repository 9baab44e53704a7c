"""Unit tier, the graph of a state machine: proves what is drawn, where, and how what was taken is marked.

It cannot prove that the graph is readable: its colours are looked for, not looked at.
"""

import json
import re
from itertools import combinations

import pytest

from meq.console.graph import State, Way, svg
from meq.console.layout import Drawing, lay_out
from tests.builders import ROOT

DEFINITIONS = sorted((ROOT / "statemachines").glob("*.asl.json"))


def _drawings(drawing: Drawing) -> list[Drawing]:
    return [drawing, *(one for node in drawing.nodes.values() for inner in node.inner for one in _drawings(inner))]


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_no_state_is_drawn_over_another(path):
    """Every state is there, beside or below the others, within its drawing; edges bend only where they have room."""
    definition = json.loads(path.read_text("utf-8"))
    drawn = _drawings(lay_out(definition, {}))
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


def test_a_graph_marks_the_states_and_ways_taken_and_escapes_what_it_draws():
    """Failures have a sign beside their colour, ways that were gone differ from others; counts and words are there."""
    states = {
        "<A>": {"Type": "Choice", "Choices": [{"Next": "B"}], "Default": "C"},
        "B": {"Type": "Task", "Catch": [{"Next": "C"}], "Next": "<A>"},
        "C": {"Type": "Fail"},
        "D": {"Type": "Pass"},
    }
    taken = {"<A>": State("passed", "×2", "<A> twice"), "B": State("caught", "<2>"), "C": State("failed")}
    ways = {("<A>", "B"): Way(4, "<A> to B"), ("B", "C"): Way(), ("B", "<A>"): Way()}
    drawn = svg({"StartAt": "<A>", "States": states}, taken, ways, '"<A>"')

    texts = [re.sub("<.*?>", "", text) for text in re.findall(r"<text[^>]*>(.*?)</text>", drawn)]
    assert texts == ["&lt;A&gt; ×2", "! B &lt;2&gt;", "✕ C", "D"]
    assert sorted(re.findall(r'<path class="(edge[^"]*)".*? stroke-width="([\d.]+)".*?#(\S+)\)', drawn)) == [
        ("edge", "1.3", "arrow"),
        ("edge back gone", "2.0", "arrow-back"),
        ("edge catch gone", "2.0", "arrow-gone"),
        ("edge gone", "4.0", "arrow-gone"),
    ]
    assert re.findall(r'<g class="([^"]*)"', drawn) == ["state passed", "state caught", "state failed", "state never"]
    assert re.findall(r"<title>(.*?)</title>", drawn) == ["&lt;A&gt; to B", "&lt;A&gt; twice"]
    assert 'aria-label="&quot;&lt;A&gt;&quot;"' in drawn


def test_a_state_has_room_for_what_is_written_in_it():
    """Its count included: it is as much wider as the text is longer."""
    definition = {"StartAt": "Send A Wave", "States": {"Send A Wave": {"Type": "Pass"}}}
    short, long = (lay_out(definition, texts).width for texts in ({}, {"Send A Wave": "✕ Send A Wave 100 of 1000"}))
    assert long - short > 6 * len("✕  100 of 1000")


def test_every_colour_that_a_page_uses_is_given():
    """By its own style sheet, or by the one that it has in common with the demo's picture."""
    sheets = "".join(path.read_text("utf-8") for path in (ROOT / "meq" / "console" / "static").glob("*.css"))
    assert {*re.findall(r"var\((--[\w-]+)\)", sheets)} <= {*re.findall(r"(--[\w-]+):", sheets)}
