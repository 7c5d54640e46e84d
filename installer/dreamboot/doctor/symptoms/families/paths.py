"""The wrong Python, the wrong folder, the wrong environment."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom

VENV = (
    "python3 -m venv venv && venv/bin/python -m pip install -r requirements.txt",
    "makes an environment of its own, beside the system",
)


def _not_the_package_itself(captures: Mapping[str, str], log: LogView) -> bool:
    """False when the real package is being imported: then its own parts do not fit."""
    module = captures["module"].lower()
    own = (f"packages/{module}/", f"packages\\{module}\\")
    return not any(part in log.lower for part in own) and captures["name"].lower() not in ("extension", "_jit_internal")


def _a_path(captures: Mapping[str, str], _log: LogView) -> bool:
    """A folder or a file was run, not a program whose name is not known."""
    path = captures.get("path")
    return path is None or "\\" in path or "/" in path or ":" in path


SYMPTOMS = (
    Symptom(
        id="venv-pep668",
        area="path-leak",
        weight=84,
        signs=(
            "externally-managed-environment",
            "This environment is externally managed",
            "The interpreter at {path} is externally managed",
        ),
        what="pip refuses to change the system's Python.",
        cause="This Python belongs to the operating system (PEP 668); packages go into a virtual environment.",
        fix=(VENV,),
        link="https://peps.python.org/pep-0668/",
        cases=("venv-pep668",),
        examples=("error: externally-managed-environment\n\n× This environment is externally managed",),
    ),
    Symptom(
        id="venv-no-pip",
        area="path-leak",
        weight=82,
        signs=("{exe}: No module named pip", "No module named pip$", "ModuleNotFoundError: No module named 'pip'"),
        what="The Python that runs has no pip.",
        cause="The launcher took the system's Python instead of the environment's, or the environment was made without pip.",
        fix=(("{python} -m ensurepip --upgrade", "puts pip into this environment"), VENV),
        cases=("venv-no-pip",),
        examples=("/usr/bin/python3.10: No module named pip",),
    ),
    Symptom(
        id="venv-py313-path-spaces",
        area="path-leak",
        weight=78,
        signs=(
            "Python{n:int}' is not recognized as an internal or external command",
            "'{path:any}' is not recognized as an internal or external command",
            "{path:any}' wird nicht als interner oder externer Befehl",
            "ist entweder falsch geschrieben oder",
            "n'est pas reconnu en tant que commande interne",
            "no se reconoce como un comando interno o externo",
            "不是内部或外部命令",
            "не является внутренней или внешней командой",
            "non è riconosciuto come comando interno",
            "não é reconhecido como um comando interno",
            "は、内部コマンドまたは外部コマンド",
        ),
        when=_a_path,
        unless=("'nvidia-smi' is not", "'git' is not", "'conda' is not"),
        what="Windows was told to run something that is not a program.",
        cause="A variable such as PYTHON holds a folder instead of python.exe, or a path with blanks is not in quotes: {path}.",
        fix=(('set PYTHON="C:\\Program Files\\Python310\\python.exe"', "names the program itself, in quotes"),),
        cases=("venv-py313-path-spaces",),
        examples=(
            "'C:\\Users\\MainUser\\AppData\\Local\\Programs\\Python\\Python313' is not recognized as an internal or external command,\noperable program or batch file.",
        ),
    ),
    Symptom(
        id="venv-shadowed-module",
        area="path-leak",
        weight=82,
        signs=(
            "cannot import name '{name}' from partially initialized module '{module}' (most likely due to a circular import) ({path:any}.py)",
            "partially initialized module '{module}' has no attribute '{name}' (most likely due to a circular import)",
        ),
        when=_not_the_package_itself,
        unless=("site-packages/{x:any}.py)", "site-packages\\{x:any}.py)", "dist-packages/{x:any}.py)"),
        what="A file of yours has the name of a package.",
        cause="Python finds a file called {module} in the working folder before the real package.",
        fix=(("mv {module}.py my_{module}.py; rm -rf __pycache__", "renames the file"),),
        examples=(
            "ImportError: cannot import name 'DDPMScheduler' from partially initialized module 'diffusers' (most likely due to a circular import) (/home/u/train/diffusers.py)",
        ),
    ),
    Symptom(
        id="venv-pythonhome",
        area="path-leak",
        weight=80,
        signs=(
            "No module named 'encodings'",
            "init_fs_encoding: failed to get the Python codec",
            "Could not find platform independent libraries <prefix>",
        ),
        what="Python does not find its own library.",
        cause="PYTHONHOME or PYTHONPATH points at another Python, or the interpreter of the environment was moved or removed.",
        fix=(("unset PYTHONHOME PYTHONPATH", "Python finds its own library again (Windows: set PYTHONHOME=)"), VENV),
        examples=(
            "Fatal Python error: init_fs_encoding: failed to get the Python codec of the filesystem encoding\nModuleNotFoundError: No module named 'encodings'",
        ),
    ),
    Symptom(
        id="venv-moved",
        area="path-leak",
        weight=80,
        signs=(
            "No Python at '{path:any}'",
            "did not find executable at '{path:any}'",
            "Fatal error in launcher: Unable to create process using",
            "bad interpreter: No such file or directory",
            "cannot execute: required file not found ... python",
        ),
        what="The environment was moved, or its Python was removed.",
        cause="An environment holds absolute paths; the interpreter that it was made with is no longer there.",
        fix=(VENV,),
        examples=(
            "No Python at '\"C:\\Users\\me\\AppData\\Local\\Programs\\Python\\Python310\\python.exe'",
            "bash: /home/u/kohya_ss/venv/bin/pip: /home/old/kohya_ss/venv/bin/python: bad interpreter: No such file or directory",
        ),
    ),
    Symptom(
        id="venv-ensurepip",
        area="path-leak",
        weight=80,
        signs=(
            "because ensurepip is not available",
            "No module named ensurepip",
            "No module named venv",
            "'-Im', 'ensurepip'",
        ),
        what="This Python can't make an environment.",
        cause="Debian and Ubuntu ship venv and ensurepip in a package of their own.",
        fix=(
            ("sudo apt-get install python3-venv", "adds venv and ensurepip"),
            ("uv venv venv", "or: uv makes environments without them"),
        ),
        examples=(
            "The virtual environment was not created successfully because ensurepip is not\navailable.  On Debian/Ubuntu systems, you need to install the python3-venv",
        ),
    ),
    Symptom(
        id="venv-pip-target",
        area="path-leak",
        weight=74,
        signs=(
            "Can not combine '--user' and '--target'",
            "Can not combine '--user' and '--prefix'",
            "Can't combine '--user' and",
            "Can not perform a '--user' install. User site-packages are not visible in this virtualenv",
            "Target directory {path:any} already exists. Specify --upgrade to force replacement",
            "Could not find an activated virtualenv (required)",
        ),
        what="pip's configuration sends packages elsewhere.",
        cause="A pip.ini / pip.conf or a PIP_* variable sets target, prefix, user or require-virtualenv.",
        fix=(
            ("python -m pip config debug", "nothing: shows which file or variable sets it"),
            (
                "PIP_CONFIG_FILE=/dev/null {python} -m pip install -r requirements.txt",
                "installs without that configuration (Windows: set PIP_CONFIG_FILE=nul)",
            ),
        ),
        examples=("ERROR: Can not perform a '--user' install. User site-packages are not visible in this virtualenv.",),
    ),
    Symptom(
        id="venv-user-site",
        area="path-leak",
        level=Level.WARNING,
        weight=64,
        signs=(
            "/.local/lib/python3.{n:int}/site-packages/{x:any}Error",
            "AppData\\Roaming\\Python\\Python{n:int}\\site-packages\\{x:any}Error",
        ),
        needs=("cannot import name", "has no attribute", "undefined symbol", "DLL load failed"),
        leads_to=("pkg-import-name", "pkg-attribute"),
        packages=("/.local/lib/python", "\\Roaming\\Python\\"),
        what="Packages of your user folder are mixed into this environment.",
        cause="The failing file lies in ~/.local (installed with pip --user), not in the environment of the program.",
        fix=(("export PYTHONNOUSERSITE=1", "Python leaves the user folder out"),),
        cases=("venv-user-site",),
        examples=(
            "  File \"/home/u/.local/lib/python3.10/site-packages/transformers/utils.py\", line 3, in <module>\nImportError: cannot import name 'x' from 'numpy'",
        ),
    ),
    Symptom(
        id="venv-conda-init",
        area="path-leak",
        weight=72,
        signs=(
            "CondaError: Run 'conda init' before 'conda activate'",
            "Your shell has not been properly configured to use 'conda activate'",
            "EnvironmentNameNotFound",
            "'conda' is not recognized",
            "conda: command not found",
        ),
        what="The conda environment was not activated.",
        cause="This shell does not know conda's activate, so the program runs in another Python.",
        fix=(("conda init bash && exec bash", "teaches the shell (Windows: conda init powershell)"),),
        examples=("CondaError: Run 'conda init' before 'conda activate'",),
    ),
)
