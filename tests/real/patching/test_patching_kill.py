"""SIGKILL while patches are applied and taken back: afterwards the old or the new tree, and the tool goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamboot import patching
from dreamboot.host.local import LocalHost
from dreamboot.patching import journal
from support.patch_trees import diff, install, patch_text, tree

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")]
ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 40
CHILD = """
import sys
from pathlib import Path
from dreamboot import patching
from dreamboot.host.local import LocalHost
site, file = Path(sys.argv[1]), Path(sys.argv[2])
patch = patching.parse("thing/kill", file.read_bytes())
print("ready", flush=True)
while True:
    patching.apply(LocalHost(), site, [patch], {})
    patching.revert(LocalHost(), site, ["thing/kill"])
"""


def test_killed_at_random_moments(tmp_path: Path) -> None:
    files = {f"thing/{number}.py": f"value = {number}\n" * 200 for number in range(6)}
    site = install(tmp_path / "site", {path: text.encode() for path, text in files.items()})
    body = "".join(diff(path, text, text.replace("value", "changed")) for path, text in files.items())
    (tmp_path / "p.patch").write_bytes(patch_text(body + diff("thing/new/x.py", None, "x\n")))
    patch = patching.parse("thing/kill", (tmp_path / "p.patch").read_bytes())
    host = LocalHost()
    old = tree(site)
    patching.apply(host, site, [patch], {})
    new = tree(site)
    patching.revert(host, site, ["thing/kill"])
    chance = random.Random(4)
    cut = 0
    for _ in range(ROUNDS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(site), str(tmp_path / "p.patch")], stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "installer")},
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        cut += journal.pending(host, site)
        journal.recover(host, site)
        assert tree(site) in (old, new)
    assert cut > 0, "no kill hit a change half-way; the test proves nothing"
