"""Serves the console on this machine, until Ctrl-C."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from meq.console.app import create
from meq.console.doing import Errands, goes_on
from meq.console.guard import Guard
from meq.errors import OperatorError
from meq.stack import Clients, Stack

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Logs nothing: an address that is asked for may hold the token, or a mark."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Log nothing."""

    def version_string(self) -> str:
        """Return what the answers say of the server."""
        return "meq"


class SharedClients:
    """Makes one client of each service, whichever request asks first: making them is slow, and not for two at once."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()

    def client(self, service: str, **options: Any) -> Any:
        """Return the client of a service."""
        with self._making:
            if options:
                return self._clients.client(service, **options)
            if service not in self._made:
                self._made[service] = self._clients.client(service)
            return self._made[service]


@dataclass(frozen=True)
class Served:
    """A console that listens."""

    server: BaseWSGIServer
    guard: Guard
    errands: Errands

    @property
    def address(self) -> str:
        """Where it is, with the token."""
        return f"http://{HOST}:{self.guard.port}/?token={self.guard.token}"


@contextmanager
def listening(stack: Stack, options: Sequence[str], port: int = 0, read_only: bool = False) -> Iterator[Served]:
    """Listen for the length of the context; `options` are those by which commands find the same stack.

    Raises:
        OperatorError: the port is taken, or there is no such stack.
    """
    shared = Stack(stack.name, SharedClients(stack))
    shared.output("StateMachineArn")  # that there is no such stack is better said here than on every page
    with _listener(port) as listener:
        guard, errands = Guard(listener.getsockname()[1]), Errands(shared, options)
        app = create(shared, guard, errands, read_only)
        server = make_server(HOST, guard.port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno())
        try:
            yield Served(server, guard, errands)
        finally:
            server.server_close()


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise OperatorError(f"The port {port} cannot be had: {why}. Choose another by --port.") from error


def serve(
    stack: Stack, options: Sequence[str], port: int, read_only: bool, tell: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until Ctrl-C; tell where, and in the end what goes on."""
    with listening(stack, options, port, read_only) as served:
        mode = "It shows all, and does nothing (--read-only)." if read_only else "It can do what you may do."
        for sign in (signal.SIGINT, signal.SIGTERM):  # also where a shell has its background jobs ignore Ctrl-C
            signal.signal(sign, _interrupt)
        tell(f"The console of {stack.name} is at\n\n  {served.address}\n\n{mode} Ctrl-C ends it.")
        with suppress(KeyboardInterrupt):
            served.server.serve_forever()
        tell("\nThe console has ended.")
        for left in served.errands.under_way():
            tell(goes_on(left))


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
