"""Child process: asks pages side by side and prints one JSON line. A hanging name server must not hang `detect`."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import threading
import urllib.error
import urllib.request
from typing import Any, Dict, List
from urllib.parse import unquote, urlsplit, urlunsplit

# The torch page of the largest index known (PyTorch's own) is under 2 MB.
MOST_BYTES = 16_000_000
ACCEPT = "application/vnd.pypi.simple.v1+html, text/html;q=0.9, */*;q=0.1"


def main() -> int:
    """Request on standard input, answers on standard output."""
    request = json.loads(sys.stdin.read())
    answers: List[Dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda p=page: answers.append(ask(p, request)), daemon=True)
        for page in request["pages"]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(request["timeout"] + 0.5)
    known = {answer["url"] for answer in answers}
    late = [_told(page["url"], 0, "no answer in time") for page in request["pages"] if page["url"] not in known]
    sys.stdout.write(json.dumps([*answers, *late]) + "\n")
    sys.stdout.flush()
    # Threads that wait for a name server would keep the interpreter from ending.
    import os

    os._exit(0)


def ask(page: Dict[str, str], request: Dict[str, Any]) -> Dict[str, Any]:
    """One page → its answer; never raises."""
    url = page["url"]
    try:
        opener = urllib.request.build_opener(*_handlers(url, request))
        with opener.open(_request(url, page["method"]), timeout=request["timeout"]) as reply:
            text = reply.read(MOST_BYTES).decode("utf-8", "replace") if page["method"] == "GET" else ""
            from dreamboot.machine.indexes.sources import torch_wheels

            return _told(url, reply.status, "", torch_wheels(text))
    except urllib.error.HTTPError as error:
        return _told(url, error.code, f"HTTP {error.code}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _told(url, 0, _in_words(getattr(error, "reason", "") or error))


def _in_words(reason: object) -> str:
    """Why there was no answer, for people; the system's own words where they are words."""
    known = {
        socket.gaierror: "its name was not found",
        socket.timeout: "no answer in time",
        ConnectionRefusedError: "the connection was refused",
    }
    said = next((text for kind, text in known.items() if isinstance(reason, kind)), "")
    return said or getattr(reason, "strerror", "") or str(reason) or type(reason).__name__


def _request(url: str, method: str) -> urllib.request.Request:
    """A request whose login, if the URL holds one, is sent as a header: urllib takes none inside the URL."""
    parts = urlsplit(url)
    request = urllib.request.Request(url, method=method, headers={"Accept": ACCEPT, "User-Agent": "dreamboot"})  # noqa: S310 - only http and https come here
    if parts.username:
        import base64

        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        host = parts.hostname or ""
        place = host if parts.port is None else f"{host}:{parts.port}"
        request.full_url = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    return request


def _handlers(url: str, request: Dict[str, Any]) -> List[Any]:
    context = ssl.create_default_context(cafile=request["certificate"] or None)
    if request["client_certificate"]:
        context.load_cert_chain(request["client_certificate"])
    host = urlsplit(url).hostname or ""
    if any(host == trusted.partition(":")[0] for trusted in request["trusted_hosts"]):
        # pip's own meaning of trusted-host: this host is not verified.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    handlers: List[Any] = [urllib.request.HTTPSHandler(context=context)]
    if request["proxy"]:
        handlers.append(urllib.request.ProxyHandler({"http": request["proxy"], "https": request["proxy"]}))
    return handlers


def _told(url: str, status: int, reason: str, wheels: Any = ()) -> Dict[str, Any]:
    return {"url": url, "ok": 200 <= status < 300, "status": status, "reason": reason, "wheels": list(wheels)}


if __name__ == "__main__":
    raise SystemExit(main())
