"""A MiniStack engine of one's own: TLS on a free port of 127.0.0.1, IAM on, gone with its context."""

import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.environment import HOST, REGION, clean, isolate

MODULE = "local.engine_process"
_START_SECONDS = 60


class EngineError(RuntimeError):
    """The engine did not start; says where its log is."""


@dataclass(frozen=True)
class Engine:
    """A running engine: where it listens, and the environment in which AWS tools find it."""

    endpoint: str
    environment: dict[str, str] = field(repr=False)
    log: Path
    process_id: int
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def client(self, service: str, **options: Any) -> Any:
        """Return an ordinary boto3 client of a service; without options it is made once, for that outlasts a call."""
        if options:
            return self._new_client(service, **options)
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str, **options: Any) -> Any:
        session: Any = boto3.Session()  # of this process's environment, which is settled
        return session.client(service, endpoint_url=self.endpoint, verify=self.environment["AWS_CA_BUNDLE"], **options)


@contextmanager
def running(module: str = MODULE, **settings: str) -> Iterator[Engine]:
    """Run an engine for the length of the context; `settings` are further MiniStack variables.

    `module` is what runs as the engine: one that makes the mends, and perhaps more of its own. From here on this
    process knows nothing of the user's AWS settings and proxies, so that no client of its own follows them.

    Raises:
        EngineError: it did not answer in time.
    """
    isolate()
    with tempfile.TemporaryDirectory(prefix="mark-event-queue-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        certificate, key = _self_signed(home)
        port = _free_port()
        endpoint = f"https://{HOST}:{port}"
        environment = clean(home) | {"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": str(certificate)}
        log = home / "engine.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=Path(__file__).parent.parent,
                env=environment | _engine_settings(port, certificate, key) | settings,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the command that waits, which then ends the engine
            )
        try:
            _wait(endpoint, certificate, process, log)
            yield Engine(endpoint, environment, log, process.pid)
        finally:
            _end(process)


def _engine_settings(port: int, certificate: Path, key: Path) -> dict[str, str]:
    return {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(key),
        "LOG_LEVEL": "INFO",
        # Listeners of services not needed here, which would open ports on every address.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }


def _self_signed(home: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mark-event-queue local engine")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = home / "engine.crt", home / "engine.key"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.touch(0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(endpoint: str, certificate: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EngineError(f"the engine ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        try:
            opener.open(f"{endpoint}/_ministack/health", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise EngineError(f"the engine did not answer in {_START_SECONDS} s:\n{log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the engine and the function processes that it started: they share its session."""
    for sign in (15, 9):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=2)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
