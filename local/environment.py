"""The one environment of everything local: nothing of the user's AWS settings, no proxy, no account within reach.

As a program it runs a command in that environment: `python -m local.environment sam validate`.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

REGION = "eu-west-2"
HOST = "127.0.0.1"
PROGRAMS = Path(sys.executable).parent

SETTINGS = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",  # an address has no sync-<address>
    "SAM_CLI_TELEMETRY": "0",
    "NO_PROXY": "*",
    "no_proxy": "*",  # where both are set, Python heeds this one
}
"""What every AWS tool and client is told here; the engine adds where it listens."""

# Few, for every other may be a setting of somebody's: MiniStack alone reads scores that have no prefix.
_KEPT = {"LANG", "LANGUAGE", "TZ", "TERM", "COLUMNS", "LINES", "NO_COLOR", "LD_LIBRARY_PATH"}
_FOREIGN = ("AWS_", "SAM_", "BOTO", "_X_AMZN_")


def clean(home: Path, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of child processes: our programs come first, `home` is for what they keep."""
    given = os.environ if inherited is None else inherited
    kept = {name: value for name, value in given.items() if name in _KEPT or name.startswith("LC_")}
    path = os.pathsep.join([str(PROGRAMS), given.get("PATH", os.defpath)])
    return kept | SETTINGS | {"HOME": str(home), "TMPDIR": str(home), "PATH": path}


def isolate() -> None:
    """Take out of this process what could lead its own AWS clients to an account or a proxy, and settle the rest."""
    for name in foreign(os.environ):
        del os.environ[name]
    os.environ |= SETTINGS


def foreign(names: Iterable[str]) -> list[str]:
    """Return those of the variables that AWS's tools or HTTP clients would follow."""
    return [name for name in names if name.startswith(_FOREIGN) or name.lower().endswith("_proxy")]


def for_shells(settings: Mapping[str, str]) -> str:
    """Return a script that a shell reads (sh, bash, zsh) to have its AWS commands do as `settings` say."""
    ours = {name: value for name, value in settings.items() if name.startswith(_FOREIGN)}
    patterns = " ".join(f"-e 's/^\\({prefix}[A-Za-z0-9_]*\\)=.*/\\1/p'" for prefix in _FOREIGN)
    return "\n".join(
        [
            f'for name in $(env | sed -n {patterns}); do unset "$name"; done',
            *(f"export {name}={shlex.quote(value)}" for name, value in ours.items()),
            f'export no_proxy="{HOST},${{no_proxy:-${{NO_PROXY-}}}}"',
            'export NO_PROXY="$no_proxy"',
            f'export PATH={shlex.quote(str(PROGRAMS))}:"$PATH"',
            "",
        ]
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-") as folder:
        environment = clean(Path(folder))
        sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)
