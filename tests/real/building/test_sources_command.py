"""`--index` and `--torch-index` from the command line to the lock, with logins that nobody gets to see."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dreamboot import catalog, host
from dreamboot.building.access import Access
from dreamboot.building.layout import Layout
from dreamboot.building.uv import clean_environment, uv_environment
from dreamboot.cli import main
from dreamboot.values import parse_toml
from support.dreamboot import ROOT
from support.fault_server import FaultServer
from support.tiny_index import wheel

pytestmark = pytest.mark.real
USER, PASSWORD = "joe", "s3cr@t/pass word"
LOGIN = f"{USER}:s3cr%40t%2Fpass%20word@"
SPELT = ("s3cr@t/pass word", "s3cr%40t%2Fpass%20word", "s3cr%40t", "s3cr%2540t")
MACHINE = f'os = "linux"\npython = ["{sys.version_info[0]}.{sys.version_info[1]}.1"]\nram = "16 GiB"\n'


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch, tmp_path):
    """Neither pip's nor uv's settings of this machine take part."""
    import os

    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def place(served: dict[str, bytes], index: str, name: str, version: str) -> None:
    """Put one small wheel into an index."""
    name = name.replace("_", "-").lower()
    local = version.replace("+", "%2B")
    body = wheel(name, {f"{name.replace('-', '_')}/__init__.py": b""}, version)
    file = f"{name.replace('-', '_')}-{local}-py3-none-any.whl"
    metadata = next(
        zipfile.ZipFile(io.BytesIO(body)).read(member)
        for member in zipfile.ZipFile(io.BytesIO(body)).namelist()
        if member.endswith("METADATA")
    )
    path = f"{index}/files/{file}"
    served[path], served[path.replace("%2B", "+")] = body, body
    served[f"{path}.metadata"] = served[f"{path}.metadata".replace("%2B", "+")] = metadata
    beside = f'data-core-metadata="sha256={hashlib.sha256(metadata).hexdigest()}"'
    link = f'<a href="{path}#sha256={hashlib.sha256(body).hexdigest()}" {beside}>{file.replace("%2B", "+")}</a>'
    page = served.get(f"{index}/{name}/", b"<!DOCTYPE html><html><body>")
    served[f"{index}/{name}/"] = page + link.encode()


@pytest.fixture
def packages(tmp_path, capsys):
    """What the plan of the stated machine asks for: name → version."""
    (tmp_path / "machine.toml").write_text(MACHINE)
    code, said = dreamboot(tmp_path, capsys, "plan")
    assert code == 0, json.dumps(said, indent=1)
    return {name: text.lstrip("=><~!").split(",")[0] for name, text in said["packages"].items() if name != "torch"}


def dreamboot(tmp_path: Path, capsys, *words: str):
    """One call; (exit code, its JSON). Whatever it prints must hold no secret."""
    machine = ("--assume", str(tmp_path / "machine.toml"), "--home", str(tmp_path / "home"), "--json", "--yes")
    code = main([*machine, *words])
    said = capsys.readouterr()
    assert not any(secret in said.out + said.err for secret in SPELT)
    return code, json.loads(said.out)


@pytest.fixture
def served(packages):
    """A company's index with the plan's packages, and a mirror of the PyTorch index with every release's CPU build."""
    found: dict[str, bytes] = {}
    for name, version in packages.items():
        place(found, "/simple", name, version)
    for release in catalog.load().releases[-6:]:
        place(found, "/whl/cpu", "torch", f"{release.torch}+cpu")
    return found


def leaks(folder: Path) -> list[Path]:
    """Files that hold the password."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in SPELT)
    ]


@pytest.mark.parametrize("tag", ["", "/{tag}"], ids=["plain", "template"])
def test_the_lock_comes_from_the_indexes_that_were_named(tmp_path, capsys, served, tag):
    with FaultServer(served, login=(USER, PASSWORD)) as server:
        base = server.url.replace("://", f"://{LOGIN}")
        words = ("--index", f"{base}/simple", "--torch-index", f"{base}/whl{tag}")
        lock = tmp_path / "pylock.toml"
        code, said = dreamboot(tmp_path, capsys, "build", "--lock-only", "-o", str(lock), *words)
        assert code == 0, json.dumps(said, indent=1)
        asked = set(server.requests)
    text = lock.read_text(encoding="utf-8")
    urls = [word.strip('"') for word in text.split() if word.startswith('"http')]
    assert urls and all(url.rstrip('",').startswith(server.url) for url in urls), urls
    assert "/whl/cpu/torch/" in asked
    assert "/simple/diffusers/" in asked
    assert "+cpu" in text
    assert leaks(tmp_path / "home") == []
    assert not any(secret in text for secret in SPELT)


def test_a_bundle_for_windows_is_made_here(tmp_path, capsys, served):
    """Every file is named with its sum, the lock names files of the bundle only, and no login came along."""
    for line in parse_toml((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]:
        place(served, "/simple", Requirement(line).name, "99.0")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}.1"
    (tmp_path / "machine.toml").write_text(f'os = "windows 11"\npython = ["{version}"]\nram = "16 GiB"\n')
    folder = tmp_path / "for windows \u00e4"
    with FaultServer(served, login=(USER, PASSWORD)) as server:
        base = server.url.replace("://", f"://{LOGIN}")
        words = ("--index", f"{base}/simple", "--torch-index", f"{base}/whl")
        code, said = dreamboot(tmp_path, capsys, "bundle", "-o", str(folder), "--dry-run", *words)
        assert (code, folder.exists()) == (0, False), said
        code, said = dreamboot(tmp_path, capsys, "bundle", "-o", str(folder), *words)
        assert (code, said.get("platform")) == (0, "windows-x86_64"), said
        assert dreamboot(tmp_path, capsys, "bundle", "-o", str(folder), *words)[1]["problem"]["id"] == "bundle-exists"
    sums = dict(line.split("  ", 1)[::-1] for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines())
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert set(sums) == set(there) - {"SHA256SUMS"}
    assert all(hashlib.sha256(there[name].read_bytes()).hexdigest() == sha256 for name, sha256 in sums.items())
    lock = there["pylock.toml"].read_text(encoding="utf-8")
    assert "http" not in lock
    assert {f"wheels/{path.name}" for path in (folder / "wheels").iterdir()} == set(
        re.findall(r'path = "([^"]+)"', lock)
    )
    assert {"dreamboot/installer/bootstrap.py", "README.txt"} <= set(there)
    assert "up" in there["README.txt"].read_text() and "\\installer\\bootstrap.py" in there["README.txt"].read_text()
    assert leaks(folder) == leaks(tmp_path / "home") == []


def test_a_login_that_is_wrong_is_said_without_it(tmp_path, capsys, served):
    with FaultServer(served, login=(USER, "another")) as server:
        base = server.url.replace("://", f"://{LOGIN}")
        code, said = dreamboot(tmp_path, capsys, "build", "--lock-only", "--index", f"{base}/simple")
    assert code == 1
    assert said["problem"]["id"] in ("index-login", "packages-unresolvable"), said
    assert leaks(tmp_path / "home") == []


def test_a_plan_that_is_stored_holds_no_login(tmp_path, capsys, served):
    with FaultServer(served, login=(USER, PASSWORD)) as server:
        base = server.url.replace("://", f"://{LOGIN}")
        words = ("--index", f"{base}/simple", "--torch-index", f"{base}/whl")
        code, said = dreamboot(tmp_path, capsys, "plan", *words)
    assert code == 0
    assert server.url in json.dumps(said)


@pytest.mark.parametrize(
    "words", ["detect", "plan", "build --dry-run", "build", "bundle -o made", "up --dry-run", "doctor"]
)
def test_no_command_tells_what_the_settings_hold(tmp_path, capsys, monkeypatch, words):
    """Logins of pip's index, extra index, find-links and of the proxy, and the hub's token; nothing answers there."""
    monkeypatch.chdir(tmp_path)
    nobody = f"http://{LOGIN}127.0.0.1:9"
    for name, text in (
        ("PIP_INDEX_URL", f"{nobody}/simple"), ("PIP_EXTRA_INDEX_URL", f"{nobody}/extra"), ("HTTPS_PROXY", nobody),
        ("PIP_FIND_LINKS", f"{nobody}/links"), ("HF_TOKEN", SPELT[0]),
    ):  # fmt: skip
        monkeypatch.setenv(name, text)
    for more in ([], ["--json"]):
        main(["--home", str(tmp_path / "home"), "--yes", *more, *words.split()])
        said = capsys.readouterr()
        assert not any(secret in said.out + said.err for secret in SPELT)
    assert leaks(tmp_path) == []


def test_a_mirror_of_the_hub_reaches_the_trainer_and_only_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example")
    assert clean_environment(host.current(), training=True)["HF_ENDPOINT"] == "https://hub.example"
    assert "HF_ENDPOINT" not in uv_environment(host.current(), Layout(home=tmp_path), Access())
