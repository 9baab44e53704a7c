"""Cold start of each function as built for deployment, beside an empty handler with the same boto3 clients.

A fresh interpreter each, its CPU time from start to exit. Both begin with what AWS's runtime loads before any
handler (awslambdaric, where it can be installed). As on Lambda nothing of the package is compiled
beforehand, and boto3 is.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local import stack
from local.environment import REGION

_ROUNDS = 7
_RUNTIME = "awslambdaric.bootstrap"
_OF_THE_VALIDATOR = ("jsonschema_rs", "aws_lambda_powertools")
FUNCTIONS = {
    "ConverterFunction": ("ssm", "stepfunctions"),
    "ValidatorFunction": (),
    "GateFunction": ("dynamodb",),
    "ForgetFunction": ("dynamodb",),
    "SelectFunction": ("ssm", "dynamodb"),
    "ParkFunction": ("dynamodb",),
    "RedriveFunction": ("ssm", "dynamodb", "sqs"),
    "ReleaseFunction": ("ssm", "stepfunctions", "dynamodb"),
    "HistoryFunction": ("ssm", "dynamodb", "sqs"),
    "SurveyFunction": ("dynamodb", "s3"),
}
"""The functions of the template, and the services of which each makes a client."""


class ColdStart(NamedTuple):
    """Milliseconds of CPU of an interpreter that does nothing but import and initialise."""

    function: str
    clients: tuple[str, ...]
    floor: float
    measured: float
    package_bytes: int
    zipped_bytes: int

    @property
    def ratio(self) -> float:
        """Measured to floor."""
        return self.measured / self.floor


def has_runtime() -> bool:
    """Tell whether AWS's runtime client is installed, which has wheels for Linux only."""
    return importlib.util.find_spec(_RUNTIME.partition(".")[0]) is not None


class ColdStarts(NamedTuple):
    """Of every function, and of what the validator cannot do without: milliseconds of its floor with that alone."""

    functions: list[ColdStart]
    validator_with: dict[str, float]


def measure() -> ColdStarts:
    """Build the package, and start each function and its floor by turns."""
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder:
        template = stack.build(Path(folder) / "built")
        resources = yaml.load(template.read_text("utf-8"), Loader=_Loader)["Resources"]  # noqa: S506 (a SafeLoader)
        functions = {name: resources[name] for name in resources if resources[name]["Type"].endswith("::Function")}
        measured = [_measure(name, resource, template.parent / name) for name, resource in functions.items()]
        environment = settings(template.parent / "ValidatorFunction")
        return ColdStarts(measured, {module: _import_alone(module, environment) for module in _OF_THE_VALIDATOR})


def _import_alone(module: str, environment: dict[str, str]) -> float:
    code = f"{_runtime()}import {module}"
    return statistics.median(_cpu_milliseconds(code, environment) for _ in range(_ROUNDS))


def _runtime() -> str:
    return f"import {_RUNTIME}\n" if has_runtime() else ""


def _measure(name: str, resource: dict[str, Any], package: Path) -> ColdStart:
    clients = "".join([f"\nboto3.client({service!r})" for service in FUNCTIONS[name]])
    floor = _runtime() + (f"import boto3{clients}\n" if clients else "") + "def handler(event, context): pass"
    module = resource["Properties"]["Handler"].rpartition(".")[0]
    ours = f"{_runtime()}import {module}"
    files = [path for path in package.rglob("*") if path.is_file()]
    size, zipped = sum(path.stat().st_size for path in files), _zipped(package, files)

    environment = settings(package)
    pairs = [(_cpu_milliseconds(floor, environment), _cpu_milliseconds(ours, environment)) for _ in range(_ROUNDS)]
    floors, measured = zip(*pairs, strict=True)
    return ColdStart(name, FUNCTIONS[name], statistics.median(floors), statistics.median(measured), size, zipped)


def _cpu_milliseconds(code: str, environment: dict[str, str]) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a fresh interpreter ended with {process.returncode}: {code}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def settings(package: Path) -> dict[str, str]:
    """Return what a function needs to start from a package: the template's settings, and an AWS that is not asked."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(package),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "POWERTOOLS_SERVICE_NAME": "bench",
        "POWERTOOLS_METRICS_NAMESPACE": "mark-event-queue",
        "CLIENTS_PATH": "/mark-event-queue/clients",
        "CLIENTS_CACHE_SECONDS": "60",
        "EVENT_TABLE": "bench",
        "STATE_MACHINE_ARN": f"arn:aws:states:{REGION}:123456789012:stateMachine:bench",
        "PARKED_EVENTS_TABLE": "bench",
        "SCHEMAS_FOLDER": str(stack.SCHEMAS),
        "REJECTED_EVENTS": "HoldMark",
        "UNDELIVERED_RECORDS_BUCKET": "bench",
    }


def _zipped(package: Path, files: list[Path]) -> int:
    with tempfile.TemporaryFile() as target:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path, path.relative_to(package))
        return target.tell()


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref`), whose meaning does not matter here."""


_Loader.add_multi_constructor("!", lambda *_: None)
