"""Bare Linux distributions as folders: made by debootstrap, entered by chroot; each test works on a layer above.

Needs root, overlayfs and namespaces; the network is the machine's own, and so are pip's settings and the certificates.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

from dreamboot.host import current
from dreamboot.machine import index
from support.dreamboot import ROOT

# Debian's release -> its Python.
PYTHONS = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "sid": "3.14"}
INCLUDED = "python3,git,ca-certificates"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")
USER, UID = "someone", 1000

# $1 the mount point, $2 overlay options, $3 the checkout, $4 pip's cache; folders to show as they are; "--"; the words.
ENTER = r"""
set -e
top=$1 options=$2 checkout=$3 cache=$4; shift 4
mount -t overlay overlay -o "$options" "$top"
mount -t proc proc "$top/proc"; mount --rbind /dev "$top/dev"; mount -t sysfs sys "$top/sys" 2>/dev/null || true
mount --bind "$cache" "$top/pip-cache"
while [ "$1" != -- ]; do mkdir -p "$top$1"; mount --bind "$1" "$top$1"; mount -o remount,bind,ro "$top$1"; shift; done
mount --bind "$checkout" "$top/checkout"; mount -o remount,bind,ro "$top/checkout"
shift
exec chroot "$@"
"""


def why_not() -> str:
    """Why this machine can't enter roots, "" where it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root can enter another root"
    missing = [name for name in ("debootstrap", "unshare", "chroot", "mount") if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def root(folder: Path, release: str) -> Path:
    """The bare root of a release below `folder`: made when absent (about a minute), never changed afterwards."""
    place = folder / release
    if not (place / "complete").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        words = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", release, str(place)]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
        give_settings(place)
        (place / "complete").write_text(INCLUDED + "\n")
    return place


def give_settings(place: Path) -> None:
    """What an administrator of such a machine would have set: names, certificates, pip.conf, one ordinary user."""
    for name in ("/etc/resolv.conf", "/etc/hosts", str(BUNDLE)):
        if Path(name).is_file():
            shutil.copyfile(name, place / name.lstrip("/"))
    if OWN_CERTIFICATES.is_dir():
        shutil.copytree(OWN_CERTIFICATES, place / str(OWN_CERTIFICATES).lstrip("/"), dirs_exist_ok=True)
    raw = index.raw(current())
    lines = ["[global]", *([f"cert = {BUNDLE}"] if BUNDLE.is_file() else [])]
    lines += [f"index-url = {raw.index_url}"] if raw.index_url else []
    lines += [f"proxy = {raw.proxy}"] if raw.proxy else []
    links = shown(raw.find_links)
    lines += ["find-links = " + " ".join(links)] if links else []
    (place / "etc/pip.conf").write_text("\n".join(lines) + "\n")
    for name in ("checkout", "pip-cache"):
        (place / name).mkdir(exist_ok=True)
    words = ["chroot", str(place), "useradd", "--create-home", "--uid", str(UID), "--shell", "/bin/bash", USER]
    subprocess.run(words, check=True)


def shown(links: Sequence[str]) -> tuple[str, ...]:
    """The folders among pip's find-links, which a root sees at the same place."""
    return tuple(link for link in links if Path(link).is_dir())


class Layer:
    """What happens above a root, or above other layers; kept from call to call, removed at the end."""

    def __init__(self, folder: Path, below: Sequence[Path], caches: Path) -> None:
        self.folder = folder
        self._below = tuple(below)
        self._caches = caches
        for name in ("upper", "work", "top"):
            (folder / name).mkdir(parents=True)

    @property
    def upper(self) -> Path:
        """Only what was changed."""
        return self.folder / "upper"

    def run(self, *words: str, user: str = "root", timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """A program in the layer, with the few variables of a fresh login and no standard input."""
        uid = 0 if user == "root" else UID
        cache = self._caches / user
        cache.mkdir(parents=True, exist_ok=True)
        os.chown(cache, uid, uid)
        home = "/root" if user == "root" else f"/home/{USER}"
        variables = (
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"HOME={home}",
            "LANG=C.UTF-8",
            "PIP_CACHE_DIR=/pip-cache",
            "DEBIAN_FRONTEND=noninteractive",
        )
        options = f"lowerdir={':'.join(map(str, self._below))},upperdir={self.upper},workdir={self.folder / 'work'}"
        top = str(self.folder / "top")
        command = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "bash", "-c", ENTER, "_"]
        command += [top, options, str(ROOT), str(cache), *shown(index.raw(current()).find_links), "--"]
        command += [f"--userspec={uid}:{uid}", f"--groups={uid}", top, "env", "-i", "-C", home, *variables, *words]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def remove(self) -> None:
        """Give the disk back."""
        shutil.rmtree(self.folder, ignore_errors=True)
