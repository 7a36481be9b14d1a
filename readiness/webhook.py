"""PUBLISH: one small message to one address that the machine's owner allows."""

import http.client
import ipaddress
import json
import os
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from readiness.errors import Reason, RunError

HOSTS_VARIABLE = "READINESS_WEBHOOK_HOSTS"
CONNECT_S, READ_S, TOTAL_S = 5.0, 5.0, 15.0
PORTS = {"https": 443, "http": 80}
OK = range(200, 300)
REDIRECTS = range(300, 400)


class _RefusedError(Exception):
    """Nothing was sent; the text says why and holds nothing of the address."""


def take_address(reference: str) -> str:
    """Return the address a reference names, and take it out of the environment.

    Notebooks are started with the environment of this process: they must not find it.

    Raises
    ------
    RunError
        USAGE when the reference is not ``env:NAME``. A variable that is not set gives
        an empty address, which `post` refuses.
    """
    found = re.fullmatch(r"env:([A-Za-z_][A-Za-z0-9_]*)", reference)
    if not found:
        msg = "--webhook must be env:NAME, the variable that holds the address."
        raise RunError(msg, Reason.USAGE)
    return os.environ.pop(found[1], "").strip()


def post(address: str, payload: Mapping[str, Any]) -> str:
    """Post a message as JSON; return why it was not taken, "" when it was.

    Parameters
    ----------
    address : str
        ``https://…``; ``http://…`` for this machine itself. Its host must be among
        those of ``READINESS_WEBHOOK_HOSTS`` (commas between), and so must, by number,
        any private or loopback address that it stands for.
    payload : mapping
        What is sent. Nothing of an answer is read but its status, and no redirect is
        followed.

    Notes
    -----
    Connecting may take 5 s, a pause in the answer 5 s, all of it 15 s. Proxies of the
    environment are not used.
    """
    answer: list[str] = []

    def send() -> None:
        answer.append(_sent(address, payload))

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(TOTAL_S)
    return answer[0] if answer else f"it took longer than {TOTAL_S:g} s"


def _sent(address: str, payload: Mapping[str, Any]) -> str:
    try:
        status = _status(address, json.dumps(payload, allow_nan=False).encode())
    except _RefusedError as error:
        return str(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return type(error).__name__  # its text may hold the address
    if status in REDIRECTS:
        return f"it answered {status}, and redirects are not followed"
    return "" if status in OK else f"it answered {status}"


def _status(address: str, body: bytes) -> int:
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    _require_allowed(parts, host)
    port = parts.port or PORTS[parts.scheme]
    number = _number(host, port, parts.scheme)
    connected = socket.create_connection((number, port), timeout=CONNECT_S)
    connected.settimeout(READ_S)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connected = context.wrap_socket(connected, server_hostname=host)
    connection = http.client.HTTPConnection(host, port, timeout=READ_S)
    connection.sock = connected  # to the number that was looked at, and no other
    try:
        target = f"{parts.path or '/'}{'?' * bool(parts.query)}{parts.query}"
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", target, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _require_allowed(parts: SplitResult, host: str) -> None:
    if not host or parts.scheme not in PORTS:
        msg = "its variable must hold an address that begins with https://"
        raise _RefusedError(msg)
    if parts.username is not None or parts.password is not None:
        msg = "its address must hold no user and no password"
        raise _RefusedError(msg)
    if host not in _allowed():
        msg = f"its host is not named in {HOSTS_VARIABLE}"
        raise _RefusedError(msg)


def _allowed() -> set[str]:
    names = os.environ.get(HOSTS_VARIABLE, "").lower().split(",")
    return {one.strip() for one in names if one.strip()}


def _number(host: str, port: int, scheme: str) -> str:
    """Return the address to connect to, if it may be connected to."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    numbers = [str(one[4][0]).partition("%")[0] for one in found]
    for number in numbers:
        if not ipaddress.ip_address(number).is_global and number not in _allowed():
            msg = f"its host is a private address, not named in {HOSTS_VARIABLE}"
            raise _RefusedError(msg)
        if scheme == "http" and not ipaddress.ip_address(number).is_loopback:
            msg = "its address must begin with https://"
            raise _RefusedError(msg)
    return numbers[0]
