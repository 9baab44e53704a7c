"""Who judges in the contract tests: jsonschema-rs as the functions use it, python-jsonschema and ajv."""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.contract.by_ajv import Ajv
from tests.contract.reference import Pairs, contract_pairs, reference_pairs

Judge = Callable[[str], Pairs]


@pytest.fixture(scope="session")
def ajv() -> Iterator[Ajv]:
    """One process of node; where there is none, what asks for it is skipped, in CI it fails."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        missing = "ajv needs node and npm on the PATH"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}: with CI=true the contract is not taken for checked without them", pytrace=False)
        pytest.skip(missing)
    process = Ajv(node, npm)
    yield process
    process.close()


_INDEPENDENT = ["jsonschema", "jsonschema asserting format", "ajv", "ajv asserting format"]


@pytest.fixture(scope="session", params=["contract", *_INDEPENDENT])
def judge(request: pytest.FixtureRequest) -> Judge:
    """Return what finds every (path, rule) that an event, given as JSON text, breaks: each validator in turn."""
    return contract_pairs if request.param == "contract" else _independent(request, request.param)


@pytest.fixture(scope="session", params=_INDEPENDENT)
def client(request: pytest.FixtureRequest) -> Judge:
    """Return the same of each validator that a client may use, and the functions do not."""
    return _independent(request, request.param)


@pytest.fixture(scope="session", params=["jsonschema", "ajv"])
def both_clients(request: pytest.FixtureRequest) -> list[Judge]:
    """Return a validator that a client may use, as it is and asserting formats, for the same inputs."""
    return [_independent(request, request.param), _independent(request, f"{request.param} asserting format")]


def _independent(request: pytest.FixtureRequest, name: str) -> Judge:
    validator, _, assert_format = name.partition(" ")
    if validator == "jsonschema":
        return lambda body: reference_pairs(body, assert_format=bool(assert_format))
    process: Ajv = request.getfixturevalue("ajv")
    return lambda body: process.judge(body, assert_format=bool(assert_format))
