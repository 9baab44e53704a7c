"""Who may ask the console for anything: this machine's browser that was given the token, and no other site's page."""

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Protocol

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser says of a form that its origin is null
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries."""

_READING = ("GET", "HEAD")


class Headers(Protocol):
    """Headers of a request."""

    def get(self, key: str, /) -> str | None:
        """Return a header, or None."""


class RefusedError(Exception):
    """A request that is not from the page of whoever started the console; the text says what to do."""

    def __init__(self, text: str, status: int = 403) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Guard:
    """Lets requests in. The port is known once the server listens, which is before any of them."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies are shared by all ports of a host, so that it has the port in it."""
        return f"meq-console-{self.port}"

    @property
    def hosts(self) -> set[str]:
        """What a browser calls this server; another name is one that somebody made lead here (DNS rebinding)."""
        return {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}

    def check_host(self, host: str) -> None:
        """Make sure that the server is called by its own name.

        Raises:
            RefusedError: it is not.
        """
        if host not in self.hosts:
            raise RefusedError("The console answers to 127.0.0.1 and localhost, with its port, and to no other name.")

    def opens(self, token: str) -> bool:
        """Tell whether this is the token that was printed."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def check(self, method: str, headers: Headers, cookie: str) -> None:
        """Make sure that a request comes from a page of this console, in a browser that has the token.

        Raises:
            RefusedError: it does not.
        """
        if not self.opens(cookie):
            raise RefusedError("Open the address that meq console printed: it has the token that this needs.", 401)
        if not self.only_reads(method) and headers.get("Origin") != f"http://{headers.get('Host')}":
            raise RefusedError("This was sent by a page of another site, and is not done.")

    def check_form(self, form_token: str) -> None:
        """Make sure that a form is from a page of this run.

        Raises:
            RefusedError: it is not.
        """
        if not hmac.compare_digest(form_token.encode(), self.form_token.encode()):
            raise RefusedError("This form is from another run of the console: load the page again.")

    def only_reads(self, method: str) -> bool:
        """Tell whether requests of this method change nothing."""
        return method in _READING
