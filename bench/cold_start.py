"""Cold start of each function as built for deployment, beside an empty handler with what it cannot do without.

That is the same clients, made by boto3; for the validator the schema library and the logger. A fresh interpreter each,
its CPU time until it could take its first event. Both begin with what AWS's runtime loads before any handler
(awslambdaric, where it can be installed). As on Lambda all is compiled beforehand: the package by the build, boto3 with
the runtime.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from local import stack
from local.environment import REGION

_ROUNDS = 9
_RUNTIME = "awslambdaric.bootstrap"
# Here for other tools' sake, and not in Lambda's runtime; botocore would load them.
_NOT_ON_LAMBDA = ("OpenSSL", "awscrt")
FUNCTIONS = {
    "ConverterFunction": ("ssm", "stepfunctions", "dynamodb"),
    "ValidatorFunction": (),
    "GateFunction": ("dynamodb",),
    "ForgetFunction": ("dynamodb",),
    "SelectFunction": ("ssm", "dynamodb"),
    "ParkFunction": ("dynamodb",),
    "RedriveFunction": ("ssm", "dynamodb", "sqs"),
    "ReleaseFunction": ("ssm", "stepfunctions", "dynamodb"),
    "HistoryFunction": ("ssm", "dynamodb", "sqs"),
    "SurveyFunction": ("ssm", "dynamodb", "s3"),
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
    """Of every function; and what boto3 costs: its import, and behind that the first client, of each service."""

    functions: list[ColdStart]
    boto3: dict[str, float]


def measure() -> ColdStarts:
    """Build the package, and start each function and its floor by turns."""
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder:
        template = stack.build(Path(folder) / "built")
        resources = yaml.load(template.read_text("utf-8"), Loader=_Loader)["Resources"]  # noqa: S506 (a SafeLoader)
        functions = {name: resources[name] for name in resources if resources[name]["Type"].endswith("::Function")}
        measured = [_measure(name, resource, template.parent / name) for name, resource in functions.items()]
        return ColdStarts(measured, _measure_boto3(settings(template.parent / "ConverterFunction")))


def _measure(name: str, resource: dict[str, Any], package: Path) -> ColdStart:
    module = resource["Properties"]["Handler"].rpartition(".")[0]
    files = [path for path in package.rglob("*") if path.is_file()]
    size, zipped = sum(path.stat().st_size for path in files), _zipped(package, files)
    floor, measured = _best([_floor(FUNCTIONS[name]), f"import {module}"], settings(package))
    return ColdStart(name, FUNCTIONS[name], floor, measured, size, zipped)


def _floor(clients: Sequence[str]) -> str:
    """Return an empty handler behind its clients; without any it is the validator's."""
    made = ["import boto3", *(f"boto3.client({service!r})" for service in clients)]
    needed = made if clients else ["import jsonschema_rs", "from aws_lambda_powertools import Logger"]
    return "\n".join([*needed, "def handler(event, context): pass"])


def _measure_boto3(environment: dict[str, str]) -> dict[str, float]:
    services = sorted({service for clients in FUNCTIONS.values() for service in clients})
    made = ["import boto3", *(f"import boto3\nboto3.client({service!r})" for service in services)]
    nothing, imported, *with_client = _best(["", *made], environment)
    return {"import": imported - nothing} | dict(zip(services, (one - imported for one in with_client), strict=True))


def _best(codes: Sequence[str], environment: dict[str, str]) -> list[float]:
    """Run each behind what Lambda's runtime loads, by turns, and take the best of each: noise only ever adds."""
    runtime = [f"import {_RUNTIME}"] if has_runtime() else []
    hidden = [f"sys.modules[{name!r}] = None" for name in _NOT_ON_LAMBDA]
    # Its end is no part of a start.
    whole = ["\n".join(["import os, sys", *hidden, *runtime, code, "os._exit(0)"]) for code in codes]
    rounds = [[_cpu_milliseconds(code, environment) for code in whole] for _ in range(_ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


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
        "SCHEMAS_FOLDER": str(stack.SCHEMAS.parent),
        "REJECTED_EVENTS": "HoldMark",
        "TRACKS": "8",
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
