"""Whether a package has to be compiled before it runs."""

import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path

_UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552


def without_bytecode(
    package: Path, tag: str | None = sys.implementation.cache_tag, magic: bytes = MAGIC_NUMBER
) -> list[Path]:
    """Return the modules that a Python, by default this one, compiles anew, or whose sources it looks at first."""
    head = magic + _UNCHECKED_HASH
    return [
        path for path in package.rglob("*.py") if _head(path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc") != head
    ]


def _head(compiled: Path) -> bytes:
    return compiled.read_bytes()[:8] if compiled.is_file() else b""
