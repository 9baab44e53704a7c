"""The real templates through the real SAM CLI onto an engine."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from local import environment
from local.engine import Engine

ROOT = Path(__file__).parent.parent
SCHEMAS = ROOT / "schemas" / "v1"
STACK = "mark-event-queue"
THIS_MACHINE = {
    "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
    "Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
}
WHEELS = Path(sys.prefix) / "wheels"
"""Where the installation leaves the packages of the functions, so that a build asks no index."""
_FROM_WHEELS = {
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": WHEELS.as_uri(),  # a path with spaces would be several
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}

_KEPT_SECONDS = 24 * 60 * 60


class DeploymentError(RuntimeError):
    """A command of the SAM CLI failed; carries what it printed."""


def build(target: Path, root: Path = ROOT) -> Path:
    """Build the functions below a root for the Python and the processor at hand; return the built template.

    Raises:
        DeploymentError: the SAM CLI said no, or the packages of the functions are not there.
    """
    if not WHEELS.is_dir():
        raise DeploymentError(f"there are no packages of the functions in {WHEELS}: make install puts them there")
    _sam(
        build_environment(target.parent) | _nothing_that_cannot_run(),
        "build",
        "--template-file", str(root / "template.yaml"),
        "--build-dir", str(target),
        "--cache-dir", str(target.with_name("cache")),
        "--parameter-overrides", *_overrides(THIS_MACHINE),
        folder=target.parent,  # the SAM CLI keeps dependencies in .aws-sam of the folder it runs in
    )  # fmt: skip
    return target / "template.yaml"


def built() -> Path:
    """Return the built template of this checkout as it is now, which is built once and then used by every stack.

    What it is built of is in its name, so a change builds anew; of two that build at once one is used. What nobody has
    used for a day is deleted then.

    Raises:
        DeploymentError: the SAM CLI said no, or the packages of the functions are not there.
    """
    place = ROOT / "build" / f"sam-{_fingerprint()}"
    try:
        os.utime(place)  # whoever builds another sees that this one is in use
    except FileNotFoundError:
        place.parent.mkdir(exist_ok=True)
        _delete_unused(place.parent)
        folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=".sam-"))  # as deep: the template's paths are relative
        try:
            build(folder / "built")
            with suppress(OSError):  # another was quicker
                folder.rename(place)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return place / "built" / "template.yaml"


def _delete_unused(builds: Path) -> None:
    """Delete what was built, wholly or in part, and has not been used for a day: by now nobody runs on it."""
    for folder in (*builds.glob("sam-*"), *builds.glob(".sam-*")):
        with suppress(FileNotFoundError):  # another deletes it, too
            if folder.stat().st_mtime < time.time() - _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _fingerprint() -> str:
    """Return what differs whenever a build would: sources, packages, the Python and the processor."""
    sources = [ROOT / "template.yaml"]
    for folder in ("functions", "schemas", "statemachines"):
        sources += sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    digest = sha256(repr((THIS_MACHINE, sys.version, sorted(path.name for path in WHEELS.glob("*")))).encode())
    for source in sources:
        digest.update(f"{source.relative_to(ROOT)} {source.stat().st_size} ".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def build_environment(home: Path) -> dict[str, str]:
    """Return the environment in which `sam build` takes packages from what was installed, and from nowhere else."""
    return environment.clean(home) | _FROM_WHEELS


def runs_packages_of_lambda() -> bool:
    """Tell whether this machine can run what is built for Lambda: glibc's, on arm64 that of Python 3.12 or later."""
    is_old_arm64 = THIS_MACHINE["Architecture"] == "arm64" and sys.version_info < (3, 12)
    return platform.libc_ver()[0] == "glibc" and not is_old_arm64


def _nothing_that_cannot_run() -> dict[str, str]:
    """Have nothing packed where it could not run: the functions then take from .venv, which has the same versions."""
    return {} if runs_packages_of_lambda() else {"MAKEFLAGS": f"REQUIREMENTS={os.devnull}"}


def deploy(engine: Engine, template: Path, stack: str, **parameters: str) -> dict[str, str]:
    """Deploy a template; return the stack's outputs.

    Raises:
        DeploymentError: the SAM CLI said no.
    """
    _sam(
        engine.environment,
        "deploy",
        "--template-file", str(template),
        "--stack-name", stack,
        "--resolve-s3",
        "--capabilities", "CAPABILITY_IAM",
        "--no-confirm-changeset",
        "--no-fail-on-empty-changeset",
        *(["--parameter-overrides", *_overrides(parameters)] if parameters else []),
    )  # fmt: skip
    return outputs(engine, stack)


def outputs(engine: Engine, stack: str) -> dict[str, str]:
    """Return the outputs of a deployed stack by name."""
    (description,) = engine.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}


def delete(engine: Engine, stack: str) -> None:
    """Delete a stack."""
    _sam(engine.environment, "delete", "--stack-name", stack, "--no-prompts")


def deploy_mark_api(engine: Engine) -> None:
    """Deploy the stand-in for mark-api's stack."""
    deploy(engine, ROOT / "local" / "mark-api.yaml", "mark-api")


def deploy_pipeline(engine: Engine, built: Path) -> dict[str, str]:
    """Deploy the main stack, built for this machine, which gets to know clients soon; return its outputs."""
    return deploy(engine, built, STACK, **THIS_MACHINE, ClientsCacheSeconds="2")


def go_live(engine: Engine, machine: str, function: str) -> None:
    """Publish a function as it is now, and have the executions from now on call that version, as a deployment does."""
    version = engine.client("lambda").publish_version(FunctionName=function)["FunctionArn"]
    machines = engine.client("stepfunctions")
    definition = machines.describe_state_machine(stateMachineArn=machine)["definition"]
    renewed = re.sub(rf"[^\"]+:function:{re.escape(function)}:\d+", version, definition)
    published = machines.update_state_machine(stateMachineArn=machine, definition=renewed, publish=True)
    machines.update_state_machine_alias(
        stateMachineAliasArn=f"{machine}:live",
        routingConfiguration=[{"stateMachineVersionArn": published["stateMachineVersionArn"], "weight": 100}],
    )


def subscribe(engine: Engine, name: str) -> str:
    """Subscribe a client by its own stack, as another team would; return its queue's URL."""
    return deploy(engine, ROOT / "client.yaml", f"client-{name.lower()}", ClientName=name)["ClientQueueUrl"]


def _overrides(parameters: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in parameters.items()]


def _sam(variables: dict[str, str], *arguments: str, folder: Path = ROOT / "local") -> None:
    result = subprocess.run(
        [environment.PROGRAMS / "sam", *arguments],
        cwd=folder,  # not where samconfig.toml is, which is for AWS
        env=variables | {"SAM_CLI_POLL_DELAY": "0.3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise DeploymentError(f"sam {' '.join(arguments)} failed:\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}")
