"""The interpreter itself: too new, too old, 32-bit, or built without a part."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

import re
from typing import List, Mapping, Tuple

from dreamboot.doctor.symptoms.base import LogView, Symptom

NEW_VENV = (
    "uv venv --python 3.11 venv && uv pip install --python venv -r requirements.txt",
    "makes a new environment with Python 3.11",
)
_CUT = "satisfies the requirement {name}=={want} (from versions: {first:ver},"
_OFFER = "satisfies the requirement {name}=={want} (from versions: {offered:list})"


def _number(version: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _offered(captures: Mapping[str, str]) -> List[Tuple[int, ...]]:
    return sorted(_number(version) for version in captures.get("offered", "").split(",") if version[:1].isdigit())


def _python_too_new(captures: Mapping[str, str], _log: LogView) -> bool:
    offered = _offered(captures) or [_number(captures.get("first", ""))]
    return bool(offered[0]) and _number(captures["want"]) < offered[0]


def _python_too_old(captures: Mapping[str, str], _log: LogView) -> bool:
    offered = _offered(captures)
    return bool(offered) and _number(captures["want"]) > offered[-1]


SYMPTOMS = (
    Symptom(
        id="py-311-old-torch",
        area="python-version",
        weight=80,
        signs=(
            "satisfies the requirement {name} (from versions: none)",
            "Could not find a version that satisfies the requirement torch",
            "No matching distribution found for torch",
        ),
        unless=(
            "(from versions: 0",
            "(from versions: 1",
            "(from versions: 2",
            "Temporary failure in name resolution",
            "NewConnectionError",
            "ProxyError",
            "SSLError",
            "CERTIFICATE_VERIFY_FAILED",
            "Looking in links",
        ),
        what="There is no build of torch for this Python.",
        cause="pip found no wheel of it at all for this interpreter: the wanted torch is older than this Python, or the Python is 32-bit or for another processor.",
        fix=(
            (
                "{python} -c 'import sys, struct; print(sys.version, struct.calcsize(\"P\") * 8)'",
                "nothing: shows version and bits",
            ),
            ("uv venv --python 3.10 venv", "makes an environment with a Python that the wanted torch supports"),
        ),
        link="https://pytorch.org/get-started/previous-versions/",
        cases=("py-311-old-torch",),
        examples=(
            "ERROR: Could not find a version that satisfies the requirement torch==1.12.1+cu113 (from versions: none)\nERROR: No matching distribution found for torch==1.12.1+cu113",
        ),
    ),
    Symptom(
        id="py-too-new",
        area="python-version",
        weight=84,
        signs=(_OFFER, _CUT),
        when=_python_too_new,
        what="This Python is too new for {name} {want}.",
        cause="The oldest {name} with a build for this Python is newer than the wanted {want} (cp312 begins at torch 2.2, cp313 at 2.5, cp314 at 2.9).",
        fix=(
            (
                "uv venv --python 3.10 venv && uv pip install --python venv {name}=={want}",
                "makes an environment with a Python that {want} supports",
            ),
        ),
        link="https://github.com/pytorch/pytorch/blob/main/RELEASE.md",
        cases=("py-312-torch-212", "py-313-conda-kohya"),
        examples=(
            "ERROR: Could not find a version that satisfies the requirement torch==2.1.2 (from versions: 2.2.0, 2.2.0+cu121, 2.2.1, 2.3.0)",
            "ERROR: Could not find a version that satisfies the requirement torch==2.0.0+cu118 (from versions: 2.5.0, 2.5.0+cu118, 2.6.0+cu118)",
        ),
    ),
    Symptom(
        id="py-too-old",
        area="python-version",
        weight=82,
        signs=(
            _OFFER,
            "requires a different Python: {have:ver} not in",
            "Requires-Python {want:any} but the running Python is {have:ver}",
            "Ignored the following versions that require a different python version",
            "{name} requires Python '{want:any}' but the running Python is {have:ver}",
        ),
        when=lambda captures, log: "offered" not in captures or _python_too_old(captures, log),
        unless=("from versions: none",),
        what="This Python is too old (or too new) for the wanted package.",
        cause="The wanted version has no build for this interpreter ({have}).",
        fix=(NEW_VENV,),
        examples=(
            "ERROR: Package 'diffusers' requires a different Python: 3.9.18 not in '>=3.10.0'",
            "ERROR: Could not find a version that satisfies the requirement torch==2.9.0 (from versions: 1.11.0, 2.0.0, 2.4.1)",
        ),
    ),
    Symptom(
        id="py-uv-no-wheel",
        area="python-version",
        weight=80,
        signs=(
            "has no wheels with a matching Python",
            "no wheels with a matching Python ABI tag",
            "no wheels with a matching Python version tag",
            "does not satisfy Python{want:any}",
            "You're using CPython {have:ver} (`cp{tag:int}`), but",
            "is not a supported wheel on this platform",
            "only has wheels for the following platform",
        ),
        what="There is no build of a package for this Python.",
        cause="The wheel's tag (Python version, ABI or platform) is not one that this interpreter accepts.",
        fix=(NEW_VENV, ("{python} -m pip debug --verbose", "nothing: lists the tags that this Python accepts")),
        examples=(
            "  hint: You're using CPython 3.14 (`cp314`), but `torch` (v2.6.0) only has wheels with the following Python ABI tags: `cp39`, `cp310`",
            "ERROR: torch-2.3.0+cu121-cp310-cp310-win_amd64.whl is not a supported wheel on this platform.",
        ),
    ),
    Symptom(
        id="py-webui-incompatible",
        area="python-version",
        weight=78,
        signs=(
            "INCOMPATIBLE PYTHON VERSION",
            "This program is tested with 3.{n:ver} Python, but you have {have:ver}",
            "Cannot install on Python version {have:ver}; only versions",
            "Python version {have:ver} is not supported",
            "Unsupported Python version",
            "requires Python 3.10",
        ),
        what="This Python is not one that the program supports.",
        cause="Found Python {have}; the message names the versions that were tested.",
        fix=(NEW_VENV,),
        examples=("INCOMPATIBLE PYTHON VERSION\n\nThis program is tested with 3.10.6 Python, but you have 3.13.1.",),
    ),
    Symptom(
        id="py-tkinter-standalone",
        area="python-version",
        weight=80,
        signs=(
            "module '_tkinter' has no attribute '__file__'",
            "No module named '_tkinter'",
            "No module named 'tkinter'",
            "Can't find a usable init.tcl",
            "Can't find a usable tk.tcl",
        ),
        what="This Python's tkinter can't be used.",
        cause="It is linked into the interpreter (python-build-standalone, as uv and StabilityMatrix bring it) or was left out (Debian without python3-tk).",
        fix=(
            (
                "sudo apt-get install python3-tk && python3 -m venv venv",
                "an environment on the system's Python with tkinter",
            ),
            ("export MPLBACKEND=Agg", "matplotlib draws without windows"),
        ),
        cases=("py-tkinter-standalone",),
        examples=("AttributeError: module '_tkinter' has no attribute '__file__'. Did you mean: '__name__'?",),
    ),
    Symptom(
        id="py-dataclass-store-python",
        area="python-version",
        weight=80,
        signs=("mutable default <class '{name}'> for field",),
        what="A package is too old for this Python.",
        cause="Python 3.11 refuses mutable defaults in dataclasses ({name}); the package (old timm, fairseq, hydra) was written for 3.10.",
        fix=(
            ("uv venv --python 3.10 venv", "an environment with Python 3.10"),
            ("{python} -m pip install --upgrade timm", "or: a release of the package for this Python"),
        ),
        cases=("py-dataclass-store-python",),
        examples=(
            "ValueError: mutable default <class 'timm.models.maxxvit.MaxxVitConvCfg'> for field conv_cfg is not allowed: use default_factory",
        ),
    ),
    Symptom(
        id="py-removed-stdlib",
        area="python-version",
        weight=80,
        signs=(
            "No module named '<distutils|imp|asynchat|cgi|audioop|pipes>'",
            "No module named 'distutils'",
            "No module named 'imp'",
            "No module named 'audioop'",
            "No module named 'cgi'",
            "module 'pkgutil' has no attribute 'ImpImporter'",
            "cannot import name 'Mapping' from 'collections'",
            "module 'collections' has no attribute",
            "module 'inspect' has no attribute 'getargspec'",
            "module 'asyncio' has no attribute 'coroutine'",
            "module 'configparser' has no attribute 'SafeConfigParser'",
            "module 'ast' has no attribute 'Str'",
        ),
        what="A package uses a part of Python that newer versions no longer have.",
        cause="The package was written for an older Python (distutils left in 3.12, imp in 3.12, cgi and audioop in 3.13).",
        fix=(
            ("uv venv --python 3.10 venv", "an environment with an older Python"),
            ("{python} -m pip install --upgrade setuptools pip wheel", "helps where only setuptools is old"),
        ),
        examples=(
            "ModuleNotFoundError: No module named 'distutils'",
            "AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean: 'zipimporter'?",
        ),
    ),
    Symptom(
        id="py-too-old-syntax",
        area="python-version",
        weight=74,
        signs=(
            "'type' object is not subscriptable",
            "unsupported operand type(s) for |: 'type' and",
            "unsupported operand type(s) for |: '_GenericAlias'",
            "No module named 'tomllib'",
            "cannot import name 'Literal' from 'typing'",
            "cannot import name 'Self' from 'typing'",
            "cannot import name 'StrEnum' from 'enum'",
            "cannot import name 'NotRequired' from 'typing'",
            "future feature annotations is not defined",
        ),
        what="The program needs a newer Python.",
        cause="It uses what this interpreter does not have yet (list[int] came in 3.9, X | Y in 3.10, tomllib in 3.11).",
        fix=(NEW_VENV,),
        examples=(
            "TypeError: unsupported operand type(s) for |: 'type' and 'NoneType'",
            "TypeError: 'type' object is not subscriptable",
        ),
    ),
    Symptom(
        id="py-build-from-source",
        area="python-version",
        weight=70,
        signs=(
            "can't find Rust compiler",
            "Cargo, the Rust package manager, is not installed",
            "error: subprocess-exited-with-error ... tokenizers",
            "Failed building wheel for <tokenizers|safetensors|sentencepiece|numpy|scipy|opencv-python>",
            "ERROR: Failed building wheel for {name}",
        ),
        unless=("Microsoft Visual C++", "flash-attn", "flash_attn", "xformers", "bitsandbytes"),
        what="pip builds a package from source, because there is no wheel for this Python.",
        cause="The wanted version is older than this Python (or pip is too old to see the wheel), and a compiler is missing.",
        fix=(
            ("{python} -m pip install --upgrade pip", "a pip that knows newer wheels"),
            ("uv venv --python 3.10 venv", "or: a Python that the wanted version has wheels for"),
        ),
        examples=("      error: can't find Rust compiler\n  ERROR: Failed building wheel for tokenizers",),
    ),
    Symptom(
        id="py-missing-part",
        area="python-version",
        weight=78,
        signs=(
            "No module named '_ctypes'",
            "No module named '_lzma'",
            "No module named '_bz2'",
            "No module named '_sqlite3'",
            "pip is configured with locations that require TLS/SSL, however the ssl module in Python is not available",
            "Can't connect to HTTPS URL because the SSL module is not available",
        ),
        what="This Python was built without a part of its library.",
        cause="When it was compiled (pyenv, from source) the development packages were missing.",
        fix=(
            (
                "sudo apt-get install libssl-dev libffi-dev liblzma-dev libbz2-dev libsqlite3-dev zlib1g-dev tk-dev && pyenv install --force 3.11",
                "builds it again, complete",
            ),
            ("uv python install 3.11", "or: a ready-made Python"),
        ),
        examples=("ModuleNotFoundError: No module named '_lzma'",),
    ),
)
