"""Counts what a program fetches and keeps: a proxy that adds up bytes, and a look at the disk every second."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import socketserver
import threading
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import Self

CHUNK = 1 << 16


class CountingProxy:
    """An HTTP proxy on loopback, for `with`; `received` is what servers sent, TLS included, in bytes."""

    def __init__(self) -> None:
        self.received = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    outer._serve(self)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def variables(self) -> dict[str, str]:
        """What makes uv, pip and requests use it."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {name: url for upper in ("HTTP_PROXY", "HTTPS_PROXY") for name in (upper, upper.lower())}

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, handler: socketserver.StreamRequestHandler) -> None:
        """CONNECT is tunnelled; a plain request is sent on with `Connection: close`."""
        line = handler.rfile.readline().decode("latin-1").split()
        head = []
        while (row := handler.rfile.readline()) not in (b"\r\n", b"\n", b""):
            head.append(row)
        if line[0] == "CONNECT":
            host, _, port = line[1].rpartition(":")
            server = socket.create_connection((host.strip("[]"), int(port)), 30)
            handler.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            parts = urlsplit(line[1])
            server = socket.create_connection((parts.hostname or "", parts.port or 80), 30)
            path = parts._replace(scheme="", netloc="").geturl() or "/"
            kept = [row for row in head if not row.lower().startswith((b"proxy-", b"connection:"))]
            server.sendall(f"{line[0]} {path} HTTP/1.1\r\nConnection: close\r\n".encode() + b"".join(kept) + b"\r\n")
        with server:
            self._tunnel(handler.connection, server)

    def _tunnel(self, client: socket.socket, server: socket.socket) -> None:
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(CHUNK)
                if not data:
                    return
                if ready is server:
                    with self._lock:
                        self.received += len(data)
                    client.sendall(data)
                else:
                    server.sendall(data)


class PeakDisk:
    """The most that some folders held together, in bytes, looked at every second; for `with`."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.peak = 0
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, self.size_of(*self._folders))

    @staticmethod
    def size_of(*folders: Path) -> int:
        """Bytes that folders take on disk; hard links count once."""
        seen: dict[tuple[int, int], int] = {}
        for top in folders:
            # os.walk passes over folders that go while they are looked at.
            for folder, folders_inside, files in os.walk(top):
                for name in (*folders_inside, *files):
                    with contextlib.suppress(OSError):
                        facts = Path(folder, name).lstat()
                        seen[(facts.st_dev, facts.st_ino)] = facts.st_blocks * 512
        return sum(seen.values())
