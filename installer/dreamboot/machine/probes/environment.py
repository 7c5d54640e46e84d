"""Environment variables that change what a build or a training run does."""

from __future__ import annotations

import re

from dreamboot.machine.asking import Asking, Facts
from dreamboot.machine.indexes.raw import HIDDEN, hide

# Which GPUs are seen, what leaks into interpreters, where caches lie, how the network is reached.
NAMES = (
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUDA_HOME", "CUDA_PATH", "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION", "ZE_AFFINITY_MASK",
    "ONEAPI_DEVICE_SELECTOR", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "PYTORCH_ENABLE_MPS_FALLBACK",
    "BNB_CUDA_VERSION", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH",
    "PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "VIRTUAL_ENV", "CONDA_PREFIX",
    "ACCELERATE_CONFIG_FILE", "OMP_NUM_THREADS", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "XDG_CACHE_HOME", "TMPDIR", "TEMP", "TMP",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
)  # fmt: skip
# Whether there is a token matters; what it is does not.
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def probe(asking: Asking) -> Facts:
    """environment; passwords in proxies are left out, tokens are only said to be set."""
    environ = asking.environ
    found = {name: _shown(name, environ[name]) for name in NAMES if environ.get(name)}
    found.update({name: "set" for name in SECRETS if environ.get(name)})
    return {"environment": found}


def _shown(name: str, text: str) -> str:
    """A proxy may be written without "http://", which is what `hide` looks for."""
    if name.lower().endswith("_proxy") and "://" not in text:
        return re.sub(r"^[^/@\s]+@", f"{HIDDEN}@", text)
    return hide(text)
