"""What children, own clients and other shells are told of AWS: whatever the user's environment says."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import boto3
import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from local.environment import HOST, REGION, SETTINGS, clean, for_shells, isolate
from local.stack import ROOT

HOSTILE = {
    "AWS_PROFILE": "nosuch",
    "AWS_DEFAULT_PROFILE": "nosuch",
    "AWS_CONFIG_FILE": "/elsewhere/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/elsewhere/credentials",
    "AWS_ACCESS_KEY_ID": "of the user",
    "AWS_SECRET_ACCESS_KEY": "of the user",
    "AWS_SESSION_TOKEN": "of the user",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/of-the-user",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/elsewhere/token",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
    "AWS_ENDPOINT_URL": "https://elsewhere.example",
    "AWS_ENDPOINT_URL_SQS": "https://elsewhere.example",
    "AWS_REGION": "us-gov-west-1",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_CA_BUNDLE": "/elsewhere/ca.pem",
    "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": "1",
    "BOTO_CONFIG": "/elsewhere/boto",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "All_Proxy": "http://127.0.0.1:9",
    "no_proxy": "elsewhere.example",
}
NAMES = st.sampled_from(sorted(HOSTILE)) | st.from_regex(r"(AWS|SAM|LAMBDA|PIP|PYTHON)_[A-Z_]{1,20}", fullmatch=True)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process with the settings of a user who works with AWS, behind a proxy."""
    before = dict(os.environ)
    os.environ |= HOSTILE
    yield
    os.environ.clear()
    os.environ |= before


@given(st.dictionaries(NAMES, st.text(min_size=1)))
def test_children_get_the_same_whatever_the_user_has_set(inherited: dict[str, str]):
    """No variable of AWS, its tools, a proxy, Python, pip or the engine comes from the user."""
    home = Path("/some/home")
    assert clean(home, inherited) == clean(home, {})


def test_children_find_our_programs_first_and_keep_the_language():
    """What the user has on the PATH and says of language and terminal stays."""
    path, *others = clean(Path("/home"), {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb"})["PATH"].split(
        ":"
    )
    assert (Path(path, "sam").exists(), others) == (True, ["/usr/bin", "/bin"])
    assert clean(Path("/home"), {"LC_ALL": "C.UTF-8"})["LC_ALL"] == "C.UTF-8"


def test_clients_of_this_process_follow_nothing_of_the_user(hostile: None):
    """After isolate, a client has the worthless key, the local region, no endpoint of the user's and no proxy."""
    isolate()
    client = boto3.client("sqs")
    assert client.meta.endpoint_url == f"https://sqs.{REGION}.amazonaws.com"
    credentials = Session().get_credentials()
    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("test", None)
    assert proxy_bypass(HOST)
    assert set(getproxies()) == {"no"}


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh"])
def test_a_shell_that_reads_the_script_forgets_the_user_and_passes_loopback_by(shell: str, tmp_path: Path):
    """AWS's variables are ours alone, quoted safely; the proxy stays, but loopback goes past it."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    settings = SETTINGS | {"AWS_CA_BUNDLE": "/some/it's $HOME/a `b`.crt", "LANG": "C"}
    script = tmp_path / "a b.sh"
    script.write_text(for_shells(settings))
    told = subprocess.run(
        [shell, "-euc", f". {shlex.quote(str(script))}; env -0"],
        env=HOSTILE | {"PATH": os.environ["PATH"], "NO_PROXY": "upper.example"},
        capture_output=True,
        text=True,
        check=True,
    )
    after = dict(line.split("=", 1) for line in told.stdout.split("\0") if line)
    ours = {name: value for name, value in settings.items() if name.startswith(("AWS_", "SAM_"))}
    assert {name: value for name, value in after.items() if name.startswith(("AWS_", "SAM_", "BOTO"))} == ours
    assert after["NO_PROXY"] == after["no_proxy"] == f"{HOST},elsewhere.example"
    assert after["https_proxy"] == HOSTILE["https_proxy"]
    assert Path(after["PATH"].split(":")[0], "aws").exists()


def test_a_command_runs_in_the_clean_environment():
    """`python -m local.environment` gives a command nothing of the user's, and hands on its exit code."""
    code = "import os; raise SystemExit(3 if 'AWS_PROFILE' not in os.environ else 0)"
    command = [sys.executable, "-m", "local.environment", sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, env=os.environ | HOSTILE, check=False).returncode == 3
