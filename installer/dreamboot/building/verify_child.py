"""Runs inside a built environment, alone (it imports nothing of ours): does what is installed really load?

Arguments: the accelerate configuration, then import names. Prints one JSON object on its last line:
{"imports": {name: version or {"error": text}}, "accelerate": "" or an error, "torch": {...}}
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from typing import Any, Dict


def installed_version(name: str) -> str:
    """What the installer noted: old releases of some packages do not tell their version themselves."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def main() -> None:
    """Import, read, report."""
    warnings.simplefilter("ignore")
    config, names = sys.argv[1], sys.argv[2:]
    result: Dict[str, Any] = {"imports": {}, "accelerate": "", "torch": {}}
    for name in names:
        try:
            module = importlib.import_module(name)
            result["imports"][name] = str(getattr(module, "__version__", "") or installed_version(name))
        except BaseException as error:  # noqa: BLE001 - an import may do anything, even raise SystemExit
            result["imports"][name] = {"error": f"{type(error).__name__}: {error}"}
    torch = sys.modules.get("torch")
    if torch is not None:
        result["torch"] = {"version": torch.__version__, "cuda": torch.version.cuda, "gpu": torch.cuda.is_available()}
    if config:
        try:
            from accelerate.commands.config.config_args import load_config_from_file

            load_config_from_file(config)
        except BaseException as error:  # noqa: BLE001 - as above
            result["accelerate"] = f"{type(error).__name__}: {error}"
    sys.stdout.write("\n" + json.dumps(result) + "\n")


main()
