"""A real HTTP server on loopback that misbehaves on request: cuts, stalls, errors, wrong bytes, no ranges."""

from __future__ import annotations

import base64
import contextlib
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import Self


class FaultServer:
    """Serves `files` (path → bytes). `faults` (path → list of names) are used up one per request, then all is well.

    Faults: "cut" (half the body, then the line goes dead), "reset" (connection closed at once), "503", "404", "wrong"
    (flipped bytes), "stall:S" (S seconds of silence in the middle), "drip:N" (N bytes per tenth of a second).
    `ranges` False: the server ignores Range. `login`: (user, password) that every request must bring.
    """

    def __init__(self, files: dict[str, bytes], faults: dict[str, list[str]] | None = None, *, ranges: bool = True,
                 login: tuple[str, str] | None = None):  # fmt: skip
        self.login = login
        self.refused = 0
        self.files, self.faults, self.ranges = files, faults or {}, ranges
        self.requests: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.range_starts: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def do_HEAD(self) -> None:
                outer._head(self)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # clients are killed in the middle of a request
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _head(self, request: BaseHTTPRequestHandler) -> None:
        """uv asks whether it may read a wheel's metadata by byte range; no: it reads the small wheel whole."""
        body = self.files.get(request.path.split("?")[0])
        request.send_response(200 if body is not None and self._welcome(request) else 404)
        request.send_header("Content-Length", str(len(body or b"")))
        request.end_headers()

    def _welcome(self, request: BaseHTTPRequestHandler) -> bool:
        if self.login is None:
            return True
        wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        return request.headers.get("Authorization") == wanted

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.split("?")[0]
        if not self._welcome(request):
            self.refused += 1
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="index"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        self.requests[path] += 1
        waiting = self.faults.get(path, [])
        fault = waiting.pop(0) if waiting else ""
        body = self.files.get(path)
        if fault == "reset":
            request.close_connection = True
            request.connection.close()
            return
        if body is None or fault in ("503", "404"):
            request.send_response(int(fault or 404))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = 0
        wanted = request.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.ranges:
            start = int(wanted[6:].split("-")[0])
            self.range_starts.append(start)
            if start >= len(body):
                request.send_response(416)
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
        part = body[start:]
        if fault == "wrong":
            part = bytes(byte ^ 1 for byte in part)
        request.send_response(206 if start else 200)
        request.send_header("Content-Type", "text/html" if path.endswith("/") else "application/octet-stream")
        request.send_header("Content-Length", str(len(part)))
        request.end_headers()
        with contextlib.suppress(OSError):  # the client may go away, as some tests make it do
            self._send(request, path, part, fault)

    def _send(self, request: BaseHTTPRequestHandler, path: str, part: bytes, fault: str) -> None:
        if fault.startswith("drip"):
            size = int(fault.split(":")[1])
            for at in range(0, len(part), size):
                request.wfile.write(part[at : at + size])
                request.wfile.flush()
                self.sent[path] += size
                time.sleep(0.1)
            return
        half = part[: len(part) // 2]
        if fault == "cut" or fault.startswith("stall"):
            request.wfile.write(half)
            self.sent[path] += len(half)
            if fault == "cut":
                request.close_connection = True
                request.connection.close()
                return
            time.sleep(float(fault.split(":")[1]))
            part = part[len(half) :]
        request.wfile.write(part)
        self.sent[path] += len(part)
