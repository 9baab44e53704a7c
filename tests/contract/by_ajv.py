"""The contract as a client in JavaScript judges it: ajv in strict mode, run by node, in the terms of the contract.

ajv is installed from its lock file, once, into build/. All events go through one process.
"""

import json
import subprocess
from pathlib import Path

from contracts.node import installed
from tests.builders import SCHEMAS
from tests.contract.reference import Pairs

_SOURCE = Path(__file__).parent / "ajv"


class Ajv:
    """A process of node that judges events by the published schemas."""

    def __init__(self, node: str, npm: str) -> None:
        self._process = subprocess.Popen(
            [node, str(installed(_SOURCE, npm) / "validate.mjs"), str(SCHEMAS)],
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
