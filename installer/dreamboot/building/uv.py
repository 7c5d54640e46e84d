"""uv, the tool that resolves and installs: where it is, and in which clean environment it runs."""

from __future__ import annotations

from typing import Dict

from dreamboot.building.access import Access
from dreamboot.building.layout import EnvironmentLayout, Layout
from dreamboot.building.orphans import MARK
from dreamboot.host import Host

# What a child may see of the caller's variables. Everything else (PYTHON*, PIP_*, UV_*, CONDA_*, VIRTUAL_ENV …)
# could pull another environment into ours; package sources are passed as arguments instead.
KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TMP", "TEMP", "TZ",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE",
    "PROGRAMDATA", "PROGRAMFILES", "NUMBER_OF_PROCESSORS", "PROCESSOR_ARCHITECTURE", "WINEPREFIX",
    # Where uv gets a Python from when the machine has none that fits: a mirror of the machine's own choice.
    "UV_PYTHON_INSTALL_MIRROR",
)  # fmt: skip
# Training children may also see what steers GPUs, threads and model hubs.
KEPT_FOR_TRAINING = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "ZE_AFFINITY_MASK",
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "MKL_NUM_THREADS", "KMP_AFFINITY", "KMP_TOPOLOGY_METHOD",
    "GOMP_CPU_AFFINITY", "NCCL_DEBUG", "NCCL_P2P_DISABLE", "NCCL_IB_DISABLE",
    "HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE",
    "WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT", "LD_LIBRARY_PATH",
)  # fmt: skip


def clean_environment(host: Host, *, training: bool = False) -> Dict[str, str]:
    """The caller's variables, less those that leak other environments."""
    wanted = {name.upper() for name in (KEPT + KEPT_FOR_TRAINING if training else KEPT)}
    kept = {name: text for name, text in host.environ.items() if name.upper() in wanted}
    kept["PYTHONNOUSERSITE"] = "1"
    kept["PYTHONUTF8"] = "1"
    return kept


def uv_environment(host: Host, layout: Layout, access: Access) -> Dict[str, str]:
    """For uv: its cache under our home, its own configuration files unread (they are translated by the planner)."""
    variables = clean_environment(host)
    variables["UV_CACHE_DIR"] = str(layout.uv_cache)
    variables["UV_NO_CONFIG"] = "1"
    variables["UV_NO_PROGRESS"] = "1"
    if access.certificate:
        variables["SSL_CERT_FILE"] = access.certificate
    if access.client_certificate:
        variables["SSL_CLIENT_CERT"] = access.client_certificate
    if access.proxy:
        variables.update(HTTP_PROXY=access.proxy, HTTPS_PROXY=access.proxy)
    if access.timeout:
        variables["UV_HTTP_TIMEOUT"] = str(int(access.timeout))
    return variables


def mark(environment: EnvironmentLayout) -> Dict[str, str]:
    """The variable by which the next builder finds programs that a killed one left running."""
    return {MARK: str(environment.root)}


def uv_binary() -> str:
    """uv from its own package; it lies in the tool's environment."""
    import uv

    return str(uv.find_uv_bin())
