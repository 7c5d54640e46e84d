"""A model hub on this machine: the part of its HTTP interface that downloads and uploads of models use.

Repositories are folders; what is uploaded lands in `uploads`, and who may see it in `private`. `cut_after` breaks
the next large download off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 2048
"""Bytes from which a file is an LFS file, whose SHA-256 the hub states."""


class Hub:
    """`models` maps NAME to (revision -> folder). `requests` has (method, path, range header, had a token)."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Path]] = {}
        self.requests: list[tuple[str, str, str, bool]] = []
        self.uploads: dict[str, bytes] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.cut_after = 0
        self.damaged = ""
        self.address = ""

    @contextmanager
    def serving(self) -> Iterator[Hub]:
        hub = self

        class Handler(_Handler):
            owner = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def folder(self, name: str, revision: str) -> Path | None:
        revisions = self.models.get(name, {})
        for each, folder in revisions.items():
            if revision in (each, commit_of(each)):
                return folder
        return None


def commit_of(revision: str) -> str:
    """The commit that a branch stands for."""
    return COMMIT if revision == "main" else hashlib.sha1(revision.encode()).hexdigest()


def blob_of(data: bytes) -> str:
    """git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Hub

    def log_message(self, *_: object) -> None:
        pass

    def _note(self) -> list[str]:
        path = unquote(self.path.partition("?")[0])
        had = bool(self.headers.get("Authorization"))
        self.owner.requests.append((self.command, path, self.headers.get("Range", ""), had))
        return [part for part in path.split("/") if part]

    def do_HEAD(self) -> None:
        self._file(self._note(), body=False)

    def do_GET(self) -> None:
        parts = self._note()
        if parts[:2] == ["api", "whoami-v2"]:
            self._json({"name": "me", "type": "user", "orgs": []})
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            self._info("/".join(parts[2:4]), "/".join(parts[5:]) or "main")
        else:
            self._file(parts, body=True)

    def do_POST(self) -> None:
        parts = self._note()
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts == ["api", "validate-yaml"]:
            self._json({"errors": [], "warnings": []})
        elif parts == ["api", "repos", "create"]:
            wish = json.loads(content)
            name = "/".join(filter(None, (wish.get("organization") or "me", wish["name"])))
            self.owner.models.setdefault(name, {})
            # Today's library says it by a word, older ones by a truth value.
            self.owner.private[name] = wish.get("visibility") == "private" or bool(wish.get("private"))
            self._json({"url": f"{self.owner.address}/{name}", "name": name})
        elif "preupload" in parts:
            files = json.loads(content)["files"]
            modes = [{"path": f["path"], "uploadMode": "lfs" if f["size"] >= LARGE else "regular"} for f in files]
            self._json({"files": [{**mode, "shouldIgnore": False} for mode in modes]})
        elif parts[-2:] == ["objects", "batch"]:
            objects = []
            for each in json.loads(content)["objects"]:
                upload = {"href": f"{self.owner.address}/put/{each['oid']}", "header": {}}
                objects.append({**each, "authenticated": True, "actions": {"upload": upload}})
            self._json({"transfer": "basic", "objects": objects}, kind="application/vnd.git-lfs+json")
        elif "commit" in parts:
            self._commit(content)
            name = "/".join(parts[2:4])
            self._json(
                {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.owner.address}/{name}/commit/{COMMIT}"}
            )
        else:
            self._json({"error": "no such call"}, 404)

    def do_PUT(self) -> None:
        parts = self._note()
        self.owner.objects[parts[-1]] = self.rfile.read(int(self.headers["Content-Length"]))
        self._json({})

    def _commit(self, content: bytes) -> None:
        for line in content.splitlines():
            row = json.loads(line)
            value = row["value"]
            if row["key"] == "file":
                self.owner.uploads[value["path"]] = base64.b64decode(value["content"])
            elif row["key"] == "lfsFile":
                self.owner.uploads[value["path"]] = self.owner.objects[value["oid"]]

    def _info(self, name: str, revision: str) -> None:
        folder = self.owner.folder(name, revision.removeprefix("revision/"))
        if folder is None:
            self._missing(name)
            return
        files = []
        for path in sorted(item for item in folder.rglob("*") if item.is_file()):
            data = path.read_bytes()
            row = {"rfilename": path.relative_to(folder).as_posix(), "size": len(data), "blobId": blob_of(data)}
            if len(data) >= LARGE:
                digest = hashlib.sha256(data).hexdigest()
                row["lfs"] = {"sha256": digest, "oid": digest, "size": len(data), "pointerSize": 130}
            files.append(row)
        sha = next(commit_of(each) for each, at in self.owner.models[name].items() if at == folder)
        self._json({"id": name, "modelId": name, "sha": sha, "siblings": files, "tags": [], "private": False})

    def _file(self, parts: list[str], *, body: bool) -> None:
        if len(parts) < 5 or parts[2] != "resolve":
            self._json({"error": "not found"}, 404, body=body)
            return
        name, revision, inside = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        folder = self.owner.folder(name, revision)
        if folder is None:
            self._missing(name, body=body, revision=name in self.owner.models)
            return
        path = folder / inside
        if not path.is_file():
            self._json({"error": "Entry not found"}, 404, {"X-Error-Code": "EntryNotFound"}, body=body)
            return
        data = path.read_bytes()
        large = len(data) >= LARGE
        tag = hashlib.sha256(data).hexdigest() if large else blob_of(data)
        sha = next(commit_of(each) for each, at in self.owner.models[name].items() if at == folder)
        if inside == self.owner.damaged and body:
            data = bytes(len(data))
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0] or 0)
        part = data[start:]
        self.send_response(206 if start else 200)
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes", "Content-Length": len(part)}
        headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": len(data)} if large else {}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        for key, value in headers.items():
            self.send_header(key, str(value))
        self.end_headers()
        if body:
            if self.owner.cut_after and len(part) > self.owner.cut_after:
                part, self.owner.cut_after = part[: self.owner.cut_after], 0
                self.close_connection = True
            self.wfile.write(part)

    def _missing(self, name: str, *, body: bool = True, revision: bool = False) -> None:
        code = "RevisionNotFound" if revision or name in self.owner.models else "RepoNotFound"
        self._json({"error": "not found"}, 404, {"X-Error-Code": code}, body=body)

    def _json(
        self, content: object, status: int = 200, headers: dict[str, str] | None = None, *,
        body: bool = True, kind: str = "application/json",
    ) -> None:  # fmt: skip
        data = json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)
