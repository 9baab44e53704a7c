"""Unit tier, cold start: proves that a function loads what it needs and no more before its first event.

Each is started in an interpreter of its own, as the bench starts it. How long that takes is the bench's matter.
"""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from typing import Any

import pytest

from bench.cold_start import FUNCTIONS, settings
from tests.builders import ROOT
from tests.template.translation import of_type, translated

HANDLERS = {
    name: function["Handler"].rpartition(".")[0]
    for name, function in of_type(translated("template.yaml"), "AWS::Lambda::Function").items()
}
# Clients are left alone by the collector, once they are made, and have to be shown to it again to be found.
_START = """
import gc, importlib, json, sys
importlib.import_module(sys.argv[1])
gc.unfreeze()
clients = [one for one in gc.get_objects() if hasattr(type(one), "can_paginate")]
print(json.dumps({
    "modules": [*sys.modules],
    "clients": [one.meta.service_model.service_name for one in clients],
    "collects": gc.isenabled(),
}))
"""


@cache
def _started(function: str) -> dict[str, Any]:
    started = subprocess.run(
        [sys.executable, "-c", _START, HANDLERS[function]],
        env=settings(ROOT / "functions"),
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(started.stdout)
    return found


@pytest.mark.parametrize("function", HANDLERS)
def test_a_function_loads_what_it_needs(function: str):
    """boto3 nobody, for botocore does; botocore whoever asks AWS; the schema library whoever judges by the contract."""
    loaded = set(_started(function)["modules"])
    assert "boto3" not in loaded
    assert ("botocore.session" in loaded) == (function != "ValidatorFunction")
    assert ("botocore.exceptions" in loaded) == (function != "ValidatorFunction")
    assert ("jsonschema_rs" in loaded) == (function in {"ValidatorFunction", "HistoryFunction"})
    assert "aws_lambda_powertools.utilities.typing" not in loaded


@pytest.mark.parametrize("function", HANDLERS)
def test_a_function_makes_one_client_of_a_service(function: str):
    """Those of the bench's floor. A history scans with more patience than it asks the table of what waits."""
    clients = Counter(FUNCTIONS[function])
    if function == "HistoryFunction":
        clients["dynamodb"] += 1
    assert Counter(_started(function)["clients"]) == clients


def test_garbage_is_collected_again_once_the_clients_are_made():
    """It is not while they are; what comes with events does not stay."""
    assert _started("ConverterFunction")["collects"]
