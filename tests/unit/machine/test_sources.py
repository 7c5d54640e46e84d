"""Sources of torch wheels: folders, pages, indexes, a cache of an hour, and no password anywhere."""

from __future__ import annotations

import base64
import http.server
import json
import threading
import time
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import pytest

from dreamboot.host import current
from dreamboot.machine.asking import Asking
from dreamboot.machine.index import raw, read_indexes
from dreamboot.machine.indexes import answers, sources
from dreamboot.machine.indexes.raw import RawIndexes, hide
from dreamboot.machine.survey import survey
from dreamboot.model import PackageSource, SourceKind
from dreamboot.values import canonical
from support.fake_host import FakeHost

PAGE = """<html><body>
<a href="/files/torch-2.9.1%2Bcu126-cp311-cp311-win_amd64.whl#sha256=0">torch-2.9.1+cu126-cp311-cp311-win_amd64.whl</a>
<a href="torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl">torch</a>
<a href="pytorch_lightning-2.6-py3-none-any.whl"></a><a href="my-torch-1.0-py3-none-any.whl"></a>
<a href="torch_rocm-2.10.0-cp312-cp312-linux_x86_64.whl"></a><a href="torch-2.9.1.tar.gz"></a>
</body></html>"""
WHEELS = (
    "torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl",
    "torch-2.9.1+cu126-cp311-cp311-win_amd64.whl",
    "torch_rocm-2.10.0-cp312-cp312-linux_x86_64.whl",
)


class Server:
    """An index on this machine; `seen` holds (method, path, login) of every request."""

    def __init__(self) -> None:
        self.seen: List[Tuple[str, str, str]] = []
        self.status: Dict[str, int] = {}
        self.wait = 0.0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self) -> None:
                login = self.headers.get("Authorization", "").partition(" ")[2]
                outer.seen.append((self.command, self.path, base64.b64decode(login).decode()))
                time.sleep(outer.wait)
                self.send_response(outer.status.get(self.path, 200))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(PAGE.encode())

            do_GET = do_HEAD = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server):
    """Sources of a configuration, with the PyTorch index on this machine."""
    monkeypatch.setattr(sources, "PYTORCH_INDEX", f"{server.url}/whl")

    def found(settings: RawIndexes, *, network: bool = True) -> Dict[SourceKind, PackageSource]:
        asking = Asking(current(), tmp_path, network=network)
        return {source.kind: source for source in sources.sources(asking, settings)}

    return found


def test_names_of_torch_wheels() -> None:
    assert sources.torch_wheels(PAGE) == WHEELS
    assert sources.torch_wheels("") == ()


def test_a_page_and_an_index_and_the_pytorch_index_are_really_asked(ask, server: Server) -> None:
    found = ask(RawIndexes(find_links=(f"{server.url}/links",), index_url=f"{server.url}/simple/"))
    assert found[SourceKind.PYTORCH_INDEX].reachable is True
    assert found[SourceKind.FIND_LINKS].torch_wheels == WHEELS
    assert found[SourceKind.CONFIGURED_INDEX].torch_wheels == WHEELS
    assert found[SourceKind.DEFAULT_INDEX].reachable is False
    assert "replaces it" in found[SourceKind.DEFAULT_INDEX].reason
    assert sorted(server.seen) == [("GET", "/links", ""), ("GET", "/simple/torch/", ""), ("HEAD", "/whl/cpu/", "")]


def test_the_answers_are_kept_for_an_hour(ask, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = RawIndexes(extra_index_urls=(f"{server.url}/simple",))
    first, asked = ask(settings), len(server.seen)
    assert ask(settings) == first
    assert len(server.seen) == asked
    later = time.time() + answers.KEPT_SECONDS + 1
    monkeypatch.setattr(answers.time, "time", lambda: later)
    assert ask(settings) == first
    assert len(server.seen) == 2 * asked


def test_a_failure_is_tried_again_soon(ask, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.status["/whl/cpu/"] = 503
    assert ask(RawIndexes())[SourceKind.PYTORCH_INDEX].reason == "HTTP 503"
    server.status.clear()
    assert ask(RawIndexes())[SourceKind.PYTORCH_INDEX].reachable is False
    later = time.time() + answers.KEPT_FAILURE_SECONDS + 1
    monkeypatch.setattr(answers.time, "time", lambda: later)
    assert ask(RawIndexes())[SourceKind.PYTORCH_INDEX].reachable is True


def test_an_index_without_torch_is_reachable_all_the_same(ask, server: Server) -> None:
    server.status["/simple/torch/"] = 404
    found = ask(RawIndexes(index_url=f"{server.url}/simple"))[SourceKind.CONFIGURED_INDEX]
    assert (found.reachable, found.torch_wheels, found.reason) == (True, (), "holds no torch wheel")


def test_an_index_that_hangs_costs_two_seconds_and_is_named(ask, server: Server) -> None:
    server.wait = 7.0
    begun = time.monotonic()
    found = ask(RawIndexes())[SourceKind.PYTORCH_INDEX]
    assert found.reachable is False
    assert found.reason
    assert time.monotonic() - begun < 6


def test_nothing_listens(ask) -> None:
    found = ask(RawIndexes(index_url="http://127.0.0.1:9/simple"))[SourceKind.CONFIGURED_INDEX]
    assert found.reachable is False
    assert "refused" in found.reason


def test_without_network_nothing_is_asked(ask, server: Server) -> None:
    found = ask(RawIndexes(find_links=(f"{server.url}/links",)), network=False)
    assert found[SourceKind.PYTORCH_INDEX].reachable is None
    assert found[SourceKind.FIND_LINKS].reachable is None
    assert server.seen == []


def test_no_index_closes_every_index(ask, server: Server, tmp_path: Path) -> None:
    (tmp_path / WHEELS[0]).touch()
    found = ask(RawIndexes(no_index=True, extra_index_urls=("https://x/",), find_links=(str(tmp_path),)))
    closed = (SourceKind.PYTORCH_INDEX, SourceKind.CONFIGURED_INDEX, SourceKind.DEFAULT_INDEX)
    assert [found[kind].reachable for kind in closed] == [False] * 3
    assert found[SourceKind.FIND_LINKS].torch_wheels == WHEELS[:1]
    assert server.seen == []


def test_folders_files_and_what_is_not_there() -> None:
    files = {
        "/wheels/torch-2.1.0+cpu-cp311-cp311-linux_x86_64.whl": "",
        "/wheels/numpy-2.0-py3-none-any.whl": "",
        "/page/links.html": PAGE,
        "/index/simple/torch/index.html": PAGE,
        "/tree/torch/torch-2.2.0-cp311-cp311-linux_x86_64.whl": "",
        "/empty/": "",
        "/home/me/mine/torch-2.3.0-cp311-cp311-linux_x86_64.whl": "",
    }
    links = ("/wheels", "file:///page/links.html", "/gone", "~/mine")
    settings = RawIndexes(find_links=links, extra_index_urls=("file:///index/simple", "file:///tree", "file:///empty"))
    found = sources.sources(Asking(FakeHost(files=files), Path("/h"), network=False), settings)
    told = {
        source.url: (source.reachable, len(source.torch_wheels))
        for source in found
        if source.url in (*links, *settings.extra_index_urls)
    }
    assert told == {
        "/wheels": (True, 1),
        "file:///page/links.html": (True, 3),
        "/gone": (False, 0),
        "~/mine": (True, 1),
        "file:///index/simple": (True, 3),
        "file:///tree": (True, 1),
        "file:///empty": (True, 0),
    }


def test_order_of_the_sources() -> None:
    settings = RawIndexes(find_links=("/a", "/b"), extra_index_urls=("file:///c",))
    kinds = [source.kind for source in sources.sources(Asking(FakeHost(), Path("/h"), network=False), settings)]
    assert kinds == [
        SourceKind.PYTORCH_INDEX,
        SourceKind.FIND_LINKS,
        SourceKind.FIND_LINKS,
        SourceKind.CONFIGURED_INDEX,
        SourceKind.DEFAULT_INDEX,
    ]


# ---------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:s3cret@host:8080/simple", "https://***@host:8080/simple"),
        ("https://s3cret@host/simple", "https://***@host/simple"),
        ("https://host/simple?token=s3cret&a=b", "https://host/simple?token=***&a=b"),
        ("pkg @ https://u:s3cret@host/x.whl", "pkg @ https://***@host/x.whl"),
        ("https://host/@scope/simple", "https://host/@scope/simple"),
        ("", ""),
    ],
)
def test_hidden(url: str, shown: str) -> None:
    assert hide(url) == shown


def test_the_password_is_sent_but_never_kept(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All doors at once: an index, a page, a constraint, a proxy and a token, in files and variables."""
    monkeypatch.setattr(sources, "PYTORCH_INDEX", f"{server.url}/whl")
    private = server.url.replace("http://", "http://me:s3cret%21@")
    (tmp_path / "c.txt").write_text("pkg @ https://me:s3cret@host/pkg.whl\n-c https://me:s3cret@host/c.txt")
    for name, text in {
        "PIP_CONFIG_FILE": str(tmp_path / "none"),
        "PIP_INDEX_URL": f"{private}/simple",
        "PIP_FIND_LINKS": f"{private}/links",
        "PIP_CONSTRAINT": str(tmp_path / "c.txt"),
        "HTTPS_PROXY": "http://me:s3cret@proxy:3128",
        "https_proxy": "me:s3cret@proxy:3128",
        "HF_TOKEN": "hf_s3cret",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, text)
    home = tmp_path / "home"
    machine = survey(current(), home, names=["index", "environment"])
    assert "s3cret" not in canonical(machine)
    assert machine.indexes.index_url == f"{server.url.replace('http://', 'http://***@')}/simple"
    assert machine.environment["HF_TOKEN"] == "set"
    stored = [path.read_text() for path in home.rglob("*") if path.is_file()]
    assert stored
    assert not any("s3cret" in text for text in stored)
    # For building, and for asking, the password is there.
    assert raw(current()).index_url == f"{private}/simple"
    assert {login for _, path, login in server.seen if path != "/whl/cpu/"} == {"me:s3cret!"}


def test_a_cache_that_someone_broke_counts_as_none(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "index-answers.json"
    file.parent.mkdir()
    for text in ("", "[]", "{", '{"a": 1}', '{"a": {"ok": true}}', json.dumps({"a": {"time": "x"}})):
        file.write_text(text)
        machine = survey(current(), tmp_path, names=["index"])
        assert machine.probes[0].failed == ""


def test_a_home_that_can_not_be_written_costs_only_the_cache() -> None:
    told = json.dumps([{"url": f"{sources.PYTORCH_INDEX}/cpu/", "ok": True, "status": 200, "reason": "", "wheels": []}])
    import sys

    host = FakeHost(programs={sys.executable: told}, read_only=["/readonly"])
    machine = survey(host, Path("/readonly/home"), names=["index"])
    assert machine.sources[0].reachable is True
    assert host.written == []


def test_the_child_that_answers_nonsense_is_no_answer() -> None:
    import sys

    for told in ("", "{}", "[1]", "no json"):
        machine = survey(FakeHost(programs={sys.executable: told}), Path("/home"), names=["index"])
        assert machine.sources[0].reachable is False
        assert machine.probes[0].failed == ""


def test_raw_reads_what_the_probe_reads() -> None:
    host = FakeHost(files={"/etc/pip.conf": "[global]\nfind-links = /w"})
    assert raw(host) == read_indexes(Asking(host, Path()))
