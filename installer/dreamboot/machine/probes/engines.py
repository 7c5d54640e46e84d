"""Docker and Podman as seen from here, and what would let their containers use a GPU."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, Optional, Tuple

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.pythons.places import join_path, user_folder
from dreamboot.model import ContainerEngine

ENGINE_SECONDS = 3.0
CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi", "/run/cdi")
TOOLKIT = ("nvidia-ctk", "nvidia-container-runtime", "nvidia-container-runtime-hook", "nvidia-container-cli")


def probe(asking: Asking) -> Facts:
    """engines."""
    devices = cdi_devices(asking)
    toolkit = any(asking.host.which(tool) or asking.exists(f"/usr/bin/{tool}") for tool in TOOLKIT)
    found = asking.together([lambda: _docker(asking, devices, toolkit), lambda: _podman(asking, devices, toolkit)])
    return {"engines": tuple(engine for engine in found if engine is not None)}


def _docker(asking: Asking, devices: Tuple[str, ...], toolkit: bool) -> Optional[ContainerEngine]:
    program = asking.host.which("docker")
    if not program:
        return None
    if not _docker_may_run(asking):
        return ContainerEngine(name="docker", gpu_access=_access({}, devices, toolkit), cdi_devices=devices)
    answer = asking.run(program, "info", "--format", "{{json .}}", timeout=ENGINE_SECONDS)
    return parse_docker_info(answer.stdout, devices, toolkit=toolkit)


def _docker_may_run(asking: Asking) -> bool:
    """Without a socket and without a setting that names one, asking would only cost time."""
    environ, user = asking.environ, user_folder(asking)
    if asking.system == "windows" or environ.get("DOCKER_HOST") or environ.get("DOCKER_CONTEXT"):
        return True
    runtime = environ.get("XDG_RUNTIME_DIR", "/run/user/1000")
    sockets = ("/var/run/docker.sock", "/run/docker.sock", f"{runtime}/docker.sock", f"{user}/.docker/run/docker.sock",
               f"{user}/.docker/desktop/docker.sock", f"{user}/.colima/default/docker.sock")  # fmt: skip
    if any(asking.exists(socket) for socket in sockets):
        return True
    return "currentContext" in (asking.read(join_path(asking, user, ".docker", "config.json")) or "")


def parse_docker_info(text: str, devices: Tuple[str, ...], *, toolkit: bool) -> ContainerEngine:
    """`docker info --format "{{json .}}"`, also when only the client answered."""
    try:
        told = json.loads(text[text.index("{") :])
    except (ValueError, RecursionError):
        told = {}
    info: Mapping[str, Any] = told if isinstance(told, dict) else {}
    server = str(info.get("ServerVersion") or "")
    client = info.get("ClientInfo")
    client_version = str(client.get("Version") or "") if isinstance(client, dict) else ""
    options = [str(option) for option in _list(info.get("SecurityOptions"))]
    listed = [str(item.get("ID")) for item in _list(info.get("DiscoveredDevices")) if isinstance(item, dict)]
    all_devices = tuple(dict.fromkeys((*devices, *(name for name in listed if name))))
    return ContainerEngine(
        name="docker",
        version=server or client_version,
        running=bool(server) and not info.get("ServerErrors"),
        rootless=any("rootless" in option for option in options),
        gpu_access=_access(info, all_devices, toolkit),
        cdi_devices=all_devices,
    )


def _access(info: Mapping[str, Any], devices: Tuple[str, ...], toolkit: bool) -> Tuple[str, ...]:
    """The ways to a GPU: the "nvidia" runtime, the toolkit (behind `--gpus`), CDI devices."""
    runtimes = info.get("Runtimes")
    ways = []
    if isinstance(runtimes, dict) and "nvidia" in runtimes:
        ways.append("runtime")
    if toolkit:
        ways.append("toolkit")
    if devices:
        ways.append("cdi")
    return tuple(ways)


def _podman(asking: Asking, devices: Tuple[str, ...], toolkit: bool) -> Optional[ContainerEngine]:
    program = asking.host.which("podman")
    if not program:
        return None
    # `podman info` takes ten times as long.
    answer = asking.run(program, "version", "--format", "{{.Client.Version}}", timeout=ENGINE_SECONDS)
    version = parse_podman_version(answer.stdout)
    status = asking.read("/proc/self/status") or ""
    root = re.search(r"^Uid:\s+0\s", status, re.M)
    return ContainerEngine(
        name="podman",
        version=version,
        running=answer.ok and bool(version),
        rootless=root is None,
        gpu_access=_access({}, devices, toolkit),
        cdi_devices=devices,
    )


def parse_podman_version(text: str) -> str:
    """The first version number."""
    match = re.search(r"\b\d{1,6}\.\d{1,6}(?:\.\d{1,6})?", text)
    return match.group(0) if match else ""


def cdi_devices(asking: Asking) -> Tuple[str, ...]:
    """Names of all devices in CDI specifications, like "nvidia.com/gpu=0"."""
    found: Dict[str, None] = {}
    for folder in CDI_FOLDERS:
        for name in asking.names(folder) if asking.exists(folder) else ():
            if name.endswith((".yaml", ".yml", ".json")):
                found.update(dict.fromkeys(parse_cdi(asking.read(f"{folder}/{name}") or "")))
    return tuple(found)


def parse_cdi(text: str) -> Tuple[str, ...]:
    """A CDI specification in JSON, or in the plain YAML that nvidia-ctk writes → "kind=device" names."""
    if text.lstrip().startswith("{"):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            return ()
        names = [item.get("name") for item in _list(told.get("devices")) if isinstance(item, dict)]
        return tuple(f"{told.get('kind')}={name}" for name in names if name is not None and told.get("kind"))
    kind = re.search(r"^kind:\s*[\"']?([\w.-]+/[\w.-]+)", text, re.M)
    block = re.search(r"^devices:[ \t]*\n((?:[ \t-].*\n?|\n)*)", text, re.M)
    if kind is None or block is None:
        return ()
    indent = min((len(dash) for dash in re.findall(r"^([ \t]*)- ", block.group(1), re.M)), default=0)
    pattern = rf"^(?:[ \t]{{{indent}}}- |[ \t]{{{indent + 2}}})name:\s*[\"']?([^\s\"']+)"
    return tuple(f"{kind.group(1)}={name}" for name in re.findall(pattern, block.group(1), re.M))


def _list(told: Any) -> List[Any]:
    return told if isinstance(told, list) else []
