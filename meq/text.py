"""What is printed for people: without control characters, and marks so that they can be pasted back."""

import json
import shlex
from collections.abc import Iterable
from difflib import get_close_matches
from urllib.parse import unquote


def safe(text: str) -> str:
    r"""Return a text with whatever a terminal would not show as it is (controls, odd spaces) as \u escapes."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def quoted(mark: str) -> str:
    r"""Return a mark as a word for a shell, from which `unquoted` makes the same mark.

    A mark that could not be read or pasted as it is becomes a JSON string: `'"AFC\n6"'`. So does one that
    an option or a JSON string could be taken for.
    """
    plain = mark.isprintable() and mark[:1] not in ("", "-", '"')
    return shlex.quote(mark if plain else json.dumps(mark))


def unquoted(given: str) -> str:
    """Return the mark that was given: as it is, or as a JSON string."""
    if given.startswith('"'):
        try:
            return str(json.loads(given))
        except ValueError:
            return given
    return given


def mark_of(group_id: str) -> str:
    """Return the mark of a group id, as well as it tells: a hash (`%sha256:…`) stays one."""
    return unquote(group_id)


def alike(mark: str) -> str:
    """Return what two marks have in common that differ only in case and spaces."""
    return "".join(mark.split()).casefold()


def near(name: str, names: Iterable[str]) -> str:
    """Return a question for the name that was perhaps meant, or nothing."""
    by_folded = {one.casefold(): one for one in names}
    found = get_close_matches(name.casefold(), by_folded, n=1)
    return f" Did you mean {by_folded[found[0]]}?" if found else ""


def listed(names: Iterable[str]) -> str:
    """Return names for a sentence, in order."""
    return safe(", ".join(sorted(names))) or "none"


def many(number: int, thing: str) -> str:
    """Return a number of things for a sentence."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
