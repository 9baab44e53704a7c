"""The contract as a client in JavaScript judges it: ajv in strict mode, run by node, in the terms of the contract.

ajv is installed from its lock file, once, into build/. All events go through one process.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.builders import ROOT, SCHEMAS
from tests.contract.reference import Pairs

_SOURCE = Path(__file__).parent / "ajv"
_BUILD = ROOT / "build"


class Ajv:
    """A process of node that judges events by the published schemas."""

    def __init__(self, node: str, npm: str) -> None:
        self._process = subprocess.Popen(
            [node, str(_installed(npm) / "validate.mjs"), str(SCHEMAS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def judge(self, body: str, *, assert_format: bool = False) -> Pairs:
        """Return every (path, rule) that ajv finds broken in an event, given as JSON text, read as JavaScript does.

        Raises:
            RuntimeError: node has ended, as it does when ajv refuses a schema; it has printed why.
        """
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([body, assert_format]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("node has ended: see what it printed above")
        return {(path, rule) for path, rule in json.loads(answer)}

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _installed(npm: str) -> Path:
    """Return the folder in which ajv is installed; of two that install it at once the later one's is dropped."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.iterdir()))).hexdigest()[:16]
    target = _BUILD / f"ajv-{digest}"
    if target.is_dir():
        return target
    _BUILD.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_BUILD) as scratch:
        fresh = Path(scratch) / "ajv"
        shutil.copytree(_SOURCE, fresh)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installation = subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=False)
        if installation.returncode:
            raise RuntimeError(f"npm could not install ajv:\n{installation.stdout}{installation.stderr}")
        try:
            fresh.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target
