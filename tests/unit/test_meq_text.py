"""Unit tier, `meq.text` and `meq.progress`: proves that what is printed is safe, and can be pasted back.

What a terminal makes of it cannot be proven here; a shell is asked by the operating system's own `sh`.
"""

import io
import shlex
import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mark_event_queue.domain.events import to_group_id
from meq.progress import Progress
from meq.text import alike, mark_of, near, quoted, safe, unquoted

AWKWARD = [
    "AFC 6",
    "AFC\n6",
    "A\x00B",
    "\x1b[31mA",
    "-x",
    '"',
    '"A"',
    "it's",
    "$(id)",
    "A\u00a06",
    "Ä\u202e6",
    "\\n",
    " ",
]


@given(st.text(min_size=1))
@example('"A"')
@example('"')
def test_a_printed_mark_is_one_word_that_gives_the_same_mark(mark):
    """Whatever the mark: a shell takes the quoting off, `--mark` the rest; nothing in it moves a cursor."""
    printed = quoted(mark)

    (word,) = shlex.split(printed)
    assert unquoted(word) == mark
    assert printed.isprintable()
    assert not word.startswith("-")


@pytest.mark.skipif(not shutil.which("sh"), reason="there is no shell to ask")
@pytest.mark.parametrize("mark", AWKWARD)
def test_a_real_shell_agrees(mark):
    """What is pasted behind a command arrives there as one argument."""
    told = subprocess.run(["sh", "-c", f"printf '%s' {quoted(mark)}"], capture_output=True, check=True)  # noqa: S607

    assert unquoted(told.stdout.decode()) == mark


def test_an_ordinary_mark_is_printed_as_it_is():
    """Quotes stand only where a shell needs them."""
    assert [quoted(mark) for mark in ("B1GAP", "AFC 6", "Ä1", "A\n6")] == ["B1GAP", "'AFC 6'", "'Ä1'", "'\"A\\n6\"'"]


def test_what_only_looks_like_a_json_string_is_taken_as_it_is():
    """A mark may begin with a quotation mark."""
    assert unquoted('"AFC') == '"AFC'


@settings(max_examples=50)
@given(st.text(min_size=1, max_size=20))
def test_the_mark_of_a_group_is_the_mark(mark):
    """A group id is the mark percent-encoded; only a hash does not tell its mark, and stays what it is."""
    group_id = to_group_id(mark)

    assert mark_of(group_id) == (group_id if group_id.startswith("%sha256:") else mark)


def test_control_characters_are_shown_and_not_obeyed():
    """Escapes of terminals, line ends and what turns text round become visible; letters of any script stay."""
    assert safe("\x1b[2J Ä\n\u202e6") == "\\u001b[2J Ä\\n\\u202e6"


def test_marks_are_alike_but_for_case_and_spaces():
    """What an operator types from memory is recognised."""
    assert alike("afc6") == alike("AFC 6") == alike(" Afc\t6") != alike("AFC 7")


def test_a_near_name_is_asked_for():
    """A slip of the finger is met with a question; a name unlike all others is not."""
    assert near("insuror", ["Insurer", "Police"]) == " Did you mean Insurer?"
    assert near("Archive", ["Insurer", "Police"]) == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_one_line_that_leaves_nothing_behind():
    """Each text takes the place of the one before it; the end clears the line."""
    stream = _Terminal()
    with Progress(stream) as tell:
        tell("3 left")
        tell("2 left")
        tell("2 left")

    assert stream.getvalue() == "\r\x1b[K3 left\r\x1b[K2 left\r\x1b[K"


def test_progress_elsewhere_is_a_line_now_and_then():
    """A log gets the first text at once, then at most one line every ten seconds, and no control characters."""
    stream, now = io.StringIO(), [0.0]
    with Progress(stream, clock=lambda: now[0]) as tell:
        for second in range(25):
            now[0] = second
            tell(f"{25 - second} left")

    assert stream.getvalue() == "25 left\n15 left\n5 left\n"
