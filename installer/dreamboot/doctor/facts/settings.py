"""Settings around the environment: variables, pip's files, library paths, and who starts which Python."""

# ruff: noqa: E501, PTH110, PTH113, PTH118, PTH120 - strings, not Path objects: thousands of files are looked at in a second

from __future__ import annotations

import configparser
import os
import re
from typing import Dict, Mapping, Tuple

from dreamboot.doctor.facts import files
from dreamboot.doctor.facts.values import Launcher, PipSettings, Target

# Variables that change what Python, pip, CUDA or the hub do; others are nobody's business.
VARIABLES = (
    "PYTHONPATH", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONUTF8", "PYTHON", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD",
    "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HSA_OVERRIDE_GFX_VERSION",
    "TRITON_PTXAS_PATH", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_ENDPOINT", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_CONFIG_FILE",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "TMPDIR", "TEMP", "SLURM_JOB_ID",
    "PYTORCH_CUDA_ALLOC_CONF", "COMMANDLINE_ARGS", "ACCELERATE_MIXED_PRECISION", "KMP_DUPLICATE_LIB_OK",
)  # fmt: skip
# Variables that name a file or folder which must exist.
MUST_EXIST = (
    "CUDA_HOME",
    "CUDA_PATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "TMPDIR",
    "PIP_CONFIG_FILE",
    "TRITON_PTXAS_PATH",
)
REDIRECTING = ("target", "prefix", "user", "require-virtualenv", "root", "no-deps")
_CUDA_LIBRARY = re.compile(
    r"lib(?:nvJitLink|cudart|cublas|cublasLt|cudnn\w*|cusparse|cusolver|cufft|nccl|nvrtc)\.so\.\d+$|libcuda\.so(?:\.1)?$"
)
_STARTERS = (
    "webui-user.bat",
    "webui-user.sh",
    "webui.sh",
    "gui.bat",
    "gui.sh",
    "run_nvidia_gpu.bat",
    "start.bat",
    "start.sh",
    "launch.sh",
    "run.sh",
    "run.bat",
    "train.sh",
)
_PYTHON_SETTING = re.compile(
    r"^\s*(?:export\s+|set\s+)?(?:PYTHON|python_cmd|PYTHON_EXECUTABLE)\s*=\s*[\"']?([^\"'\s%$]+)",
    re.IGNORECASE | re.MULTILINE,
)


def variables(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables that matter; proxies without their passwords."""
    found = {name: environ[name] for name in VARIABLES if environ.get(name)}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        told = environ.get(name) or environ.get(name.lower())
        if told:
            found[name] = re.sub(r"//[^/@]*@", "//***@", told)
    return found


def missing_paths(environ: Mapping[str, str]) -> Dict[str, str]:
    """Variable → the path in it that does not exist."""
    nowhere = (os.devnull, "nul", "NUL")
    return {
        name: environ[name]
        for name in MUST_EXIST
        if environ.get(name) and environ[name] not in nowhere and not os.path.exists(environ[name])
    }


def pip_settings(environ: Mapping[str, str], prefix: str) -> PipSettings:
    """What pip would read for this environment, later sources over earlier ones."""
    home = environ.get("HOME", "")
    sources = ["/etc/pip.conf", "/etc/xdg/pip/pip.conf", f"{home}/.pip/pip.conf", f"{home}/.config/pip/pip.conf"]
    if environ.get("XDG_CONFIG_HOME"):
        sources.append(os.path.join(environ["XDG_CONFIG_HOME"], "pip", "pip.conf"))
    for folder in (environ.get("PROGRAMDATA"), environ.get("APPDATA")):
        if folder:
            sources.append(os.path.join(folder, "pip", "pip.ini"))
    sources += [os.path.join(prefix, "pip.conf"), os.path.join(prefix, "pip.ini")]
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen:
        # pip reads no other file when this one is named
        sources = [] if chosen in (os.devnull, "nul", "NUL") else [chosen]
    values: Dict[str, str] = {}
    origins: Dict[str, str] = {}
    for path in sources:
        for name, content in _ini(path).items():
            values[name], origins[name] = content, path
    for name in REDIRECTING:
        told = environ.get("PIP_" + name.upper().replace("-", "_"))
        if told:
            values[name], origins[name] = told, "PIP_" + name.upper().replace("-", "_")
    return PipSettings(values=values, read_from=origins)


def _ini(path: str) -> Dict[str, str]:
    told = files.text(path, 50_000)
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(told)
    except configparser.Error:
        return {}
    return {
        name: parser.get(section, name)
        for section in ("global", "install")
        if parser.has_section(section)
        for name in REDIRECTING
        if parser.has_option(section, name)
    }


def shadowing_libraries(environ: Mapping[str, str]) -> Dict[str, Tuple[str, ...]]:
    """Folder of LD_LIBRARY_PATH → the CUDA libraries in it, which are loaded before those of torch."""
    found = {}
    for folder in dict.fromkeys(environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)):
        if folder and folder not in ("/usr/lib/wsl/lib", "/usr/local/nvidia/lib", "/usr/local/nvidia/lib64"):
            libraries = tuple(name for name in files.names(folder) if _CUDA_LIBRARY.match(name))
            if libraries:
                found[folder] = libraries
    return found


def pythonpath_packages(environ: Mapping[str, str]) -> Dict[str, Tuple[str, ...]]:
    """Folder of PYTHONPATH → the known packages in it, which are imported before those of the environment."""
    known = {
        "torch",
        "torchvision",
        "diffusers",
        "transformers",
        "accelerate",
        "bitsandbytes",
        "numpy",
        "peft",
        "xformers",
        "huggingface_hub",
        "PIL",
    }
    found = {}
    for folder in dict.fromkeys(environ.get("PYTHONPATH", "").split(os.pathsep)):
        if folder:
            inside = tuple(name for name in files.names(folder) if name in known or name[:-3] in known)
            found[folder] = inside
    return found


def launcher(environ: Mapping[str, str], target: Target, near: str) -> Launcher:
    """Which Python a start by hand takes: the first on PATH, and what the starters in the folder `near` name."""
    first = ""
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in ("python3", "python", "python.exe"):
            if folder and os.path.isfile(os.path.join(folder, name)):
                first = first or os.path.join(folder, name)
    scripts = {}
    for folder in dict.fromkeys((near, os.path.dirname(target.prefix))):
        for name in _STARTERS:
            told = files.text(os.path.join(folder, name), 50_000)
            named = _PYTHON_SETTING.search("\n".join(line for line in told.splitlines() if not _comment(line)))
            if named:
                scripts[os.path.join(folder, name)] = named.group(1)
    return Launcher(
        path_python=first,
        virtual_env=environ.get("VIRTUAL_ENV", ""),
        conda_prefix=environ.get("CONDA_PREFIX", ""),
        scripts=scripts,
    )


def _comment(line: str) -> bool:
    return line.lstrip().lower().startswith(("#", "rem ", "::"))
