"""pip's configuration is read as pip reads it: cases by hand, and the same files given to the real pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Mapping

import pytest

from dreamboot.host import current
from dreamboot.machine.index import raw
from support.fake_host import FakeHost

USER = "/home/me/.config/pip/pip.conf"


def read(files: Mapping[str, str], environ: Mapping[str, str] = {}, system: str = "linux"):
    return raw(FakeHost(system=system, files=files, environ={"HOME": "/home/me", **environ}))


def test_later_files_win_and_lists_are_replaced() -> None:
    found = read(
        {
            "/etc/xdg/pip/pip.conf": "[global]\nindex-url = https://a/simple\nfind-links = /one /two",
            "/etc/pip.conf": "[global]\nindex_url = https://b/simple",
            "/home/me/.pip/pip.conf": "[global]\nfind-links =\n    /three\n    /four",
            USER: "[global]\ncert = /c.pem",
        }
    )
    assert found.index_url == "https://b/simple"
    assert found.find_links == ("/three", "/four")
    assert found.certificate == "/c.pem"
    assert found.read_from[-1] == USER


def test_the_install_section_beats_global_also_from_an_earlier_file() -> None:
    found = read(
        {"/etc/pip.conf": "[install]\nno-index = yes\nindex-url = https://i/", USER: "[global]\nindex-url = https://g/"}
    )
    assert found.index_url == "https://i/"
    assert found.no_index


def test_variables_beat_files_and_empty_ones_say_nothing() -> None:
    files = {USER: "[global]\nextra-index-url = https://a/ https://b/"}
    assert read(files, {"PIP_EXTRA_INDEX_URL": "https://c/"}).extra_index_urls == ("https://c/",)
    assert read(files, {"PIP_EXTRA_INDEX_URL": ""}).extra_index_urls == ("https://a/", "https://b/")


def test_a_named_file_replaces_the_users_one_and_the_null_device_all() -> None:
    files = {
        "/etc/pip.conf": "[global]\nproxy = http://p",
        USER: "[global]\ncert = /u.pem",
        "/mine": "[global]\ntimeout = 9",
    }
    named = read(files, {"PIP_CONFIG_FILE": "/mine"})
    assert (named.certificate, named.proxy, named.timeout) == ("", "http://p", 9.0)
    none = read(files, {"PIP_CONFIG_FILE": "/dev/null"})
    assert (none.certificate, none.proxy) == ("", "")


def test_windows_places() -> None:
    environ = {
        "USERPROFILE": r"C:\Users\me",
        "APPDATA": r"C:\Users\me\AppData\Roaming",
        "PROGRAMDATA": r"C:\ProgramData",
    }
    files = {
        r"C:\ProgramData\pip\pip.ini": "[global]\nindex-url = https://company/",
        r"C:\Users\me\AppData\Roaming\pip\pip.ini": "[global]\nfind-links = D:\\wheels",
    }
    found = read(files, environ, system="windows")
    assert found.index_url == "https://company/"
    assert found.find_links == ("D:\\wheels",)


def test_macos_places() -> None:
    support = "/home/me/Library/Application Support/pip/pip.conf"
    assert read({support: "[global]\ncert = /a"}, system="macos").certificate == "/a"
    assert read({"/home/me/.config/pip/pip.conf": "[global]\ncert = /b"}, system="macos").certificate == "/b"


def test_a_broken_file_is_a_fault_and_costs_only_itself() -> None:
    found = read({"/etc/pip.conf": "cert = no section", USER: "[global]\nproxy = http://p"})
    assert found.proxy == "http://p"
    assert len(found.faults) == 1
    assert found.faults[0].startswith("/etc/pip.conf: ")


def test_the_active_environments_file_counts() -> None:
    files = {"/venv/pip.conf": "[global]\nno-index = 1", USER: "[global]\nno-index = 0"}
    assert read(files, {"VIRTUAL_ENV": "/venv"}).no_index


AS_PIP_SEES = """
import json, sys
# The environment that the tests run in may have a pip.conf of its own (one that dreamboot built does).
sys.prefix = "/nowhere"
from pip._internal.commands import create_command
options, _ = create_command("install").parser.parse_args([])
print(json.dumps({name: getattr(options, name) for name in
    ("index_url", "extra_index_urls", "find_links", "constraints", "cert", "client_cert", "proxy", "trusted_hosts",
     "no_index", "timeout")}))
"""
SITUATIONS: Dict[str, Dict[str, Any]] = {
    "nothing": {},
    "user": {"user": "[global]\nfind-links = /a\n  /b\nextra-index-url=https://x/ https://y/\ntrusted-host = x y"},
    "global and user": {
        "global": "[global]\nindex-url = https://g/\nno_index = true",
        "user": "[global]\nindex-url = https://u/",
    },
    "install section": {"global": "[install]\nindex-url = https://i/", "user": "[global]\nindex-url = https://u/"},
    "variables": {
        "user": "[global]\nproxy = http://file\nconstraint = /nowhere",
        "environ": {"PIP_PROXY": "http://variable", "PIP_FIND_LINKS": "/p /q", "PIP_NO_INDEX": "on"},
    },
    "null device": {"user": "[global]\nproxy = http://file", "environ": {"PIP_CONFIG_FILE": os.devnull}},
    "named file": {"user": "[global]\nproxy = http://file", "named": "[global]\ncert = /c.pem\ndefault-timeout = 77"},
    "upper case and dashes": {"user": "[global]\nFIND_LINKS = /a\nExtra-Index-URL = https://x/"},
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_as_the_real_pip_sees_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    situation = SITUATIONS[name]
    for variable in [variable for variable in os.environ if variable.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(variable)
    for variable in (
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "HTTPS_PROXY",
        "https_proxy",
        "VIRTUAL_ENV",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "global"))
    for place in ("user", "global"):
        (tmp_path / place / "pip").mkdir(parents=True)
        (tmp_path / place / "pip" / "pip.conf").write_text(situation.get(place, ""))
    if "named" in situation:
        (tmp_path / "named.conf").write_text(situation["named"])
        monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "named.conf"))
    for variable, text in situation.get("environ", {}).items():
        monkeypatch.setenv(variable, text)
    done = subprocess.run([sys.executable, "-c", AS_PIP_SEES], capture_output=True, text=True, timeout=60, check=False)
    if "No module named" in done.stderr:
        pytest.skip("this interpreter has no pip")
    seen = json.loads(done.stdout)
    found = raw(current())
    # pip fills in its own default index where none is configured.
    assert found.index_url in (seen["index_url"], "")
    assert found.index_url or "://" in seen["index_url"]
    assert list(found.extra_index_urls) == seen["extra_index_urls"]
    assert list(found.find_links) == seen["find_links"]
    assert list(found.constraint_files) == seen["constraints"]
    assert list(found.trusted_hosts) == seen["trusted_hosts"]
    assert (found.certificate or None, found.client_certificate or None) == (seen["cert"], seen["client_cert"])
    assert found.proxy == (seen["proxy"] or "")
    assert found.no_index == bool(seen["no_index"])
    assert found.timeout in (0.0, float(seen["timeout"]))
