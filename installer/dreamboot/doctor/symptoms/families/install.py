"""Installations that stopped half way, or whose files were changed."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom

REINSTALL_TORCH = (
    "{python} -m pip install --force-reinstall torch torchvision",
    "installs every file of it again (keep the --index-url of your build)",
)
_OPTIONAL = (
    "triton",
    "xformers",
    "bitsandbytes",
    "flash_attn",
    "sageattention",
    "pkg_resources",
    "pip",
    "distutils",
    "imp",
    "_ctypes",
    "_lzma",
    "_bz2",
    "_sqlite3",
    "tkinter",
    "_tkinter",
    "encodings",
    "tomllib",
    "torch",
    "torch_directml",
)


def _own_part_of_torch(captures: Mapping[str, str], _log: LogView) -> bool:
    return captures["part"] not in ("_six", "_C._distributed_c10d")


def _whole_package(captures: Mapping[str, str], _log: LogView) -> bool:
    return (
        "." not in captures["module"]
        and captures["module"].lower() not in _OPTIONAL
        and captures["module"].isidentifier()
    )


SYMPTOMS = (
    Symptom(
        id="git-ownership",
        area="permissions",
        weight=78,
        signs=("fatal: detected dubious ownership in repository at '{path:any}'",),
        what="git does not touch a folder that belongs to another user.",
        cause="{path} was made by another user (as root, by a container, on another disk).",
        fix=(("git config --global --add safe.directory {path}", "tells git that this folder may be used"),),
        link="https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory",
        examples=("fatal: detected dubious ownership in repository at '/app/sd-scripts'",),
    ),
    Symptom(
        id="conda-unsatisfiable",
        area="version-conflict",
        weight=70,
        signs=(
            "LibMambaUnsatisfiableError",
            "UnsatisfiableError: The following specifications were found to be incompatible",
            "ResolvePackageNotFound:",
        ),
        what="conda found no set of packages that fits together.",
        cause="The wanted packages exclude each other or this Python, or the channels do not have them. PyTorch itself gives no conda packages since 2.6.",
        fix=(("dreamboot build", "builds an own environment with wheels that fit this machine, beside conda's"),),
        link="https://github.com/pytorch/pytorch/issues/138506",
        examples=(
            "LibMambaUnsatisfiableError: Encountered problems while solving:\n  - package pytorch-2.1.0-py3.10_cuda12.1_cudnn8_0 requires python >=3.10,<3.11.0a0, but none of the providers can be installed",
        ),
    ),
    Symptom(
        id="cor-invalid-distribution",
        area="corrupted-install",
        level=Level.WARNING,
        weight=80,
        signs=(
            "Ignoring invalid distribution {name} (",
            "Ignoring invalid distribution -{name} (",
            "Ignoring invalid distribution {name:any}",
        ),
        leads_to=("cor-interrupted-install", "cor-file-locked", "cpu-not-compiled", "cor-torch-missing"),
        packages=("torch",),
        what="A package was only half removed.",
        cause="pip renames a package's folders to ~… while it replaces it, and could not finish: a file was in use. Found: {name}.",
        fix=(
            (
                "Remove-Item -Recurse SITE-PACKAGES\\~*   (Linux: rm -rf SITE-PACKAGES/~*)",
                "removes the leftovers; close every Python first. The message names the folder",
            ),
            REINSTALL_TORCH,
        ),
        cases=("cor-invalid-distribution",),
        examples=(
            "WARNING: Ignoring invalid distribution ~orch (C:\\sdnext\\venv\\Lib\\site-packages)\nERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: 'C:\\\\sdnext\\\\venv\\\\Lib\\\\site-packages\\\\~orch\\\\lib\\\\asmjit.dll'",
        ),
    ),
    Symptom(
        id="cor-file-locked",
        area="corrupted-install",
        weight=76,
        signs=(
            "Could not install packages due to an OSError: [WinError 5]",
            "Could not install packages due to an OSError: [WinError 32]",
            "Could not install packages due to an EnvironmentError: [WinError 5]",
            "Check the permissions ... WinError 5",
            "[WinError 32]{x:any}pip-uninstall",
            "[WinError 5]{x:any}pip-uninstall",
        ),
        what="pip could not replace a file that is in use.",
        cause="A running Python (web UI, trainer, notebook) holds a library of the package; the installation is now half done.",
        fix=(
            ("taskkill /IM python.exe", "ends the programs that hold the file (close them by hand where work is open)"),
            REINSTALL_TORCH,
        ),
        examples=(
            "ERROR: Could not install packages due to an OSError: [WinError 5] Zugriff verweigert: 'C:\\\\x\\\\venv\\\\Lib\\\\site-packages\\\\torch\\\\lib\\\\c10.dll'",
        ),
    ),
    Symptom(
        id="cor-interrupted-install",
        area="corrupted-install",
        weight=84,
        signs=(
            "No module named 'torch.{part}'",
            "cannot import name '{part}' from 'torch' (unknown location)",
            "module 'torch' has no attribute '{part}' ... (unknown location)",
            "from ._tensor import Tensor ... Error",
            "cannot import name '{part}' from 'torch._C' (unknown location)",
            "libtorch_{part}.so: cannot open shared object file",
            "libc10.so: cannot open shared object file",
            "Failed to load PyTorch C extensions",
            "module 'torch' has no attribute '<__version__|nn|Tensor|tensor|cuda|device|no_grad|float16|float32|load|save|_C>'",
            "No module named 'torch._C'",
        ),
        when=lambda captures, log: "part" not in captures or _own_part_of_torch(captures, log),
        unless=("circular import", "distributed_c10d", "_six"),
        what="torch is installed incompletely.",
        cause="Files of torch itself are missing ({part}): its installation was interrupted, and nothing tried again because the folder is there.",
        fix=(
            REINSTALL_TORCH,
            ("dreamboot doctor --python {python}", "nothing: compares every installed file with what was recorded"),
        ),
        cases=("cor-interrupted-install",),
        examples=(
            "    from .functional import *  # noqa: F403\nModuleNotFoundError: No module named 'torch.functional'",
            "ImportError: libtorch_cpu.so: cannot open shared object file: No such file or directory",
        ),
        others=("ModuleNotFoundError: No module named 'torch._six'",),
    ),
    Symptom(
        id="cor-torch-six",
        area="version-conflict",
        weight=84,
        signs=("No module named 'torch._six'",),
        what="A package is too old for this torch.",
        cause="torch._six was removed in torch 2.0; a package of before imports it (often an old deepspeed, timm or taming-transformers).",
        fix=(
            (
                "{python} -m pip install --upgrade deepspeed timm",
                "newer packages; the frame above the message names the one that asks",
            ),
        ),
        examples=("ModuleNotFoundError: No module named 'torch._six'",),
    ),
    Symptom(
        id="cor-torch-missing",
        area="corrupted-install",
        weight=58,
        signs=("No module named 'torch'", "No module named torch"),
        unless=(
            "Getting requirements to build wheel",
            "get_requires_for_build_wheel",
            "build_meta",
            "pyproject.toml-based projects",
        ),
        what="torch is not installed in the Python that runs.",
        cause="Either its installation failed, or another Python runs than the one that it was installed in.",
        fix=(
            ("dreamboot doctor --python {python}", "nothing: shows which Python this is, and which others have torch"),
            ("{python} -m pip install torch torchvision", "installs it (with the --index-url of your plan)"),
        ),
        examples=("ModuleNotFoundError: No module named 'torch'",),
    ),
    Symptom(
        id="cor-onetrainer-ctk",
        area="corrupted-install",
        weight=60,
        signs=("No module named '{module}'",),
        when=_whole_package,
        what="The package {module} is missing.",
        cause="Expected {module} in this environment: the installation of the requirements stopped half way, or another Python runs.",
        fix=(
            ("{python} -m pip install -r requirements.txt", "installs what is missing, with the program's own Python"),
            ("dreamboot doctor --python {python}", "nothing: shows whether this is the right Python"),
        ),
        cases=("cor-onetrainer-ctk",),
        examples=("ModuleNotFoundError: No module named 'customtkinter'",),
        others=("ModuleNotFoundError: No module named 'triton'",),
    ),
    Symptom(
        id="cor-hash",
        area="corrupted-install",
        weight=78,
        signs=(
            "THESE PACKAGES DO NOT MATCH THE HASHES",
            "Hash mismatch for `",
            "bad magic number in",
            "zipfile.BadZipFile: Bad CRC-32",
            "is not a valid wheel filename",
            "has an invalid wheel",
            "Failed to extract archive",
            "unexpected BufError",
            "invalid wheel, .dist-info directory not found",
        ),
        what="A downloaded package is damaged.",
        cause="The file does not match its hash, or can't be unpacked: an interrupted download, a bad cache, or a proxy that changed it.",
        fix=(("{python} -m pip cache purge", "empties pip's cache (uv cache clean for uv); then install again"),),
        examples=(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes.",
        ),
    ),
    Symptom(
        id="cor-no-record",
        area="corrupted-install",
        weight=76,
        signs=(
            "RECORD file was not found for {name}",
            "no RECORD file was found for {name}",
            "Cannot uninstall {name}, RECORD file not found",
            "uninstall-no-record-file",
            "Unable to uninstall `{name}",
            "It is a distutils installed project",
        ),
        what="A package was installed without a list of its files.",
        cause="{name} has no RECORD, so pip can't remove or replace it: copied by hand, or put there by the system or conda.",
        fix=(("{python} -m pip install --ignore-installed {name}", "installs it over the old files"),),
        examples=(
            "error: uninstall-no-record-file\n\n× Cannot uninstall transformers 4.30.2\n╰─> The package's contents are unknown: no RECORD file was found for transformers.",
        ),
    ),
)
