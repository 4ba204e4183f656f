"""The checks below HTTP: configuration, token, DNS, TCP and TLS."""

from __future__ import annotations

import base64
import binascii
import json
import os
import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from tir_cli import exit_codes
from tir_cli.doctor.findings import Finding, Mark
from tir_client.config import Config
from tir_client.environment import BASE_URL_VARIABLE, HOST_VARIABLE, PROJECT_VARIABLE, TOKEN_VARIABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10.0
"""The time limit of each step in seconds."""
EXPIRES_SOON = 30
"""Days before a token expires from which a note is shown."""

_PORTS = {"http": 80, "https": 443}


def configuration(config: Config, model: str) -> Iterator[Finding]:
    """Check where requests go and what the token looks like."""
    names = (*TOKEN_VARIABLES, PROJECT_VARIABLE, BASE_URL_VARIABLE, HOST_VARIABLE)
    from_environment = ", ".join(name for name in names if os.environ.get(name, "").strip())
    url = config.url_for(model, "")
    yield Finding(
        "configuration",
        Mark.OK,
        f"requests go to {url}; from the environment: {from_environment or 'nothing'}",
        facts={"url": url, "project_id": config.project_id},
    )
    yield _token(config)


def _token(config: Config) -> Finding:
    claims = read_claims(config.secret().get_secret_value())
    if claims is None:
        if config.base_url is not None:
            return Finding("token", Mark.OK, "set; tokens of other servers are not checked")
        hint = config.token_hint(config.secret())
        return Finding("token", Mark.NOTE, "set, but it does not look like an Auth Token", hint)
    if not isinstance(claims.get("exp"), int | float):
        return Finding("token", Mark.OK, "an Auth Token, which does not say when it expires")
    expiry = datetime.fromtimestamp(claims["exp"], UTC)
    days = (expiry - datetime.now(UTC)).days
    facts = {"token_expires": expiry.isoformat()}
    if days < 0:
        remedy = f"Create a new token on TIR, and set {TOKEN_VARIABLES[0]} to its Auth Token."
        return Finding("token", Mark.FAILED, f"it expired on {expiry:%d %B %Y}", remedy, facts, exit_codes.REFUSED)
    mark = Mark.NOTE if days < EXPIRES_SOON else Mark.OK
    return Finding("token", mark, f"an Auth Token, valid until {expiry:%d %B %Y} ({days} days)", facts=facts)


def read_claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT, without verification; None if it is not a JWT."""
    parts = token.split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return None
    return claims if isinstance(claims, dict) else None


def connection(url: str) -> Iterator[Finding]:
    """Check DNS, TCP and TLS in order, up to the first failure."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if parts.scheme in getproxies() and not proxy_bypass(host):
        yield Finding("network", Mark.SKIPPED, f"the environment sets a proxy for {parts.scheme}")
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        remedy = f"Check the host's name in `base_url` or {HOST_VARIABLE}, and this machine's DNS."
        yield _unreachable("DNS", f"{host!r} cannot be resolved: {error}", remedy)
        return
    addresses = sorted({str(address[0]) for *_, address in found})
    yield Finding("DNS", Mark.OK, f"{host} is {', '.join(addresses)}")
    yield from _connect(parts.scheme, host, port)


def _connect(scheme: str, host: str, port: int) -> Iterator[Finding]:
    try:
        stream = socket.create_connection((host, port), SECONDS)
    except OSError as error:
        remedy = "Check the port, the firewall, and whether the server runs."
        yield _unreachable("TCP", f"port {port} does not accept a connection: {error}", remedy)
        return
    with stream:
        yield Finding("TCP", Mark.OK, f"port {port} accepts connections")
        if scheme == "https":
            yield _tls(stream, host)


def _tls(stream: socket.socket, host: str) -> Finding:
    try:
        with httpx.create_ssl_context().wrap_socket(stream, server_hostname=host) as secure:
            return Finding("TLS", Mark.OK, f"{secure.version()}, the certificate is accepted")
    except ssl.SSLCertVerificationError as error:
        remedy = "If a private authority signed it, set SSL_CERT_FILE to a file with that authority's certificate."
        return _unreachable("TLS", f"the certificate is not accepted: {error.verify_message}", remedy)
    except OSError as error:
        return _unreachable("TLS", f"the handshake failed: {error}", "Does the port speak TLS? Check http and https.")


def _unreachable(step: str, seen: str, remedy: str) -> Finding:
    return Finding(step, Mark.FAILED, seen, remedy, code=exit_codes.UNREACHABLE)
