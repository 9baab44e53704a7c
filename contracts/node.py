"""What is made or checked by node: where it is, and a folder's npm packages, installed once from their lock file."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from contracts.generated import ROOT, GenerationError, run

_BUILD = ROOT / "build"


class Tools(NamedTuple):
    """The commands of node."""

    node: str
    npm: str


def tools() -> Tools:
    """Return the commands of node.

    Raises:
        GenerationError: one of them is not on the PATH.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise GenerationError("node and npm are not on the PATH: install node 20 or later")
    return Tools(node, npm)


def installed(source: Path, npm: str) -> Path:
    """Return a copy of a folder with its npm packages; of two that install them at once the later one's is dropped.

    Raises:
        GenerationError: npm could not install them; says what npm has said.
    """
    files = sorted(path for path in source.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    target = _BUILD / f"{source.name}-{digest}"
    if target.is_dir():
        return target
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD) as scratch:
        fresh = Path(scratch) / source.name
        fresh.mkdir()
        for path in files:
            shutil.copy(path, fresh)
        run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], fresh)
        try:
            fresh.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target
