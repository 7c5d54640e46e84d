"""Whether this is a container, and which kind; whether this is WSL, and which."""

from __future__ import annotations

import re

from dreamboot.machine.asking import Asking, Facts

# What `container=` (set by podman, lxc, systemd-nspawn …) and control groups call themselves.
KINDS = ("kubernetes", "docker", "podman", "lxc")


def probe(asking: Asking) -> Facts:
    """container, wsl."""
    if asking.system != "linux":
        return {"container": "", "wsl": 0}
    return {"container": _container(asking), "wsl": parse_wsl(asking.word("/proc/sys/kernel/osrelease"))}


def _container(asking: Asking) -> str:
    environ = asking.environ
    if environ.get("KUBERNETES_SERVICE_HOST") or asking.exists("/var/run/secrets/kubernetes.io"):
        return "kubernetes"
    if asking.exists("/run/.containerenv"):
        return "podman"
    if asking.exists("/.dockerenv"):
        return "docker"
    named = environ.get("container") or parse_init_environment(asking.read("/proc/1/environ") or "")
    if named and named != "wsl":
        return next((kind for kind in KINDS if kind in named.lower()), "other")
    return parse_cgroup(asking.read("/proc/1/cgroup") or "")


def parse_cgroup(text: str) -> str:
    """The first process' control groups → the kind of container, "" outside of one."""
    for mark, kind in (("kubepods", "kubernetes"), ("libpod", "podman"), ("docker", "docker"), ("lxc", "lxc")):
        if re.search(rf"[/:]{mark}\b|[/-]{mark}[-.]|/{mark}", text):
            return kind
    return "other" if re.search(r"/(?:containerd|crio|buildkit|garden)\b", text) else ""


def parse_init_environment(text: str) -> str:
    """The `container` variable in /proc/1/environ."""
    match = re.search(r"(?:^|\0)container=([^\0]*)", text)
    return match.group(1) if match else ""


def parse_wsl(release: str) -> int:
    """ "5.15.153.1-microsoft-standard-WSL2" → 2, "4.4.0-22621-Microsoft" → 1, else 0.

    A container inside WSL runs on the same kernel: it is in WSL, too.
    """
    lower = release.lower()
    if "microsoft" not in lower:
        return 0
    return 2 if "wsl2" in lower or "microsoft-standard" in lower else 1
