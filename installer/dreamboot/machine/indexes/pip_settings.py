"""pip's configuration as pip itself reads it, without pip: it may not be installed, and starting it is slow.

The order is that of pip's documentation ("Configuration"): global, user, site, PIP_CONFIG_FILE, PIP_* variables; later
ones win, and a whole list is replaced, never added to. Inside, `[install]` beats `[global]` wherever it stands.
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Dict, List, Mapping, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.places import join_path, user_folder

SECTIONS = ("global", "install")
# Options that say where packages come from; the others are no business of ours.
OPTIONS = frozenset((
    "index-url", "pypi-url", "extra-index-url", "find-links", "constraint", "no-index", "trusted-host",
    "cert", "client-cert", "proxy", "timeout", "default-timeout",
))  # fmt: skip
NULL_DEVICES = ("/dev/null", "nul")


def pip_settings(asking: Asking) -> Tuple[Dict[str, str], Tuple[str, ...], Tuple[str, ...]]:
    """(option → value, files and variables that were read, faults); options are spelt with dashes."""
    merged: Dict[str, Dict[str, str]] = {section: {} for section in SECTIONS}
    read: List[str] = []
    faults: List[str] = []
    for path in config_files(asking):
        text = asking.read(path)
        if text is None:
            continue
        try:
            found = parse_pip_config(text)
        except ValueError as error:
            faults.append(f"{path}: {error}")
            continue
        if any(found.values()):
            read.append(path)
        for section, values in found.items():
            merged[section].update(values)
    variables = pip_variables(asking.environ)
    read.extend(f"{_variable(name)}" for name in variables)
    settings: Dict[str, str] = {}
    for values in (*merged.values(), variables):
        # An empty value says nothing; it does not undo an earlier one.
        settings.update({name: text for name, text in values.items() if text.strip()})
    return settings, tuple(read), tuple(faults)


def parse_pip_config(text: str) -> Dict[str, Dict[str, str]]:
    """pip.conf → section → option → value, for the sections that concern installing. Raises ValueError."""
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text.lstrip("\ufeff"))
    except configparser.Error as error:
        raise ValueError(str(error).replace("\n", " ")) from error
    sections = {}
    for section in SECTIONS:
        items = parser.items(section) if parser.has_section(section) else []
        options = {_option(name): value for name, value in items if value is not None}
        sections[section] = {name: value for name, value in options.items() if name in OPTIONS}
    return sections


def pip_variables(environ: Mapping[str, str]) -> Dict[str, str]:
    """PIP_FIND_LINKS=… → {"find-links": …}."""
    found = {_option(name[4:]): value for name, value in environ.items() if name.startswith("PIP_") and value.strip()}
    return {option: value for option, value in found.items() if option in OPTIONS}


def config_files(asking: Asking) -> List[str]:
    """Every file that pip would read, in its order; with PIP_CONFIG_FILE naming the null device, none."""
    named = asking.environ.get("PIP_CONFIG_FILE", "")
    if named.lower() in NULL_DEVICES:
        return []
    files = global_files(asking)
    # A file that PIP_CONFIG_FILE names replaces the user's own ones (but neither the global nor the site's).
    if not (named and asking.exists(named)):
        files += user_files(asking)
    files += site_files(asking)
    return files + ([named] if named else [])


def global_files(asking: Asking) -> List[str]:
    """System-wide files."""
    environ = asking.environ
    if asking.system == "windows":
        return [join_path(asking, environ.get("PROGRAMDATA") or r"C:\ProgramData", "pip", "pip.ini")]
    if asking.system == "macos":
        return ["/Library/Application Support/pip/pip.conf"]
    folders = [folder for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder]
    return [join_path(asking, folder, "pip", "pip.conf") for folder in folders] + ["/etc/pip.conf"]


def user_files(asking: Asking) -> List[str]:
    """The user's files, the legacy place first."""
    environ, user = asking.environ, user_folder(asking)
    if asking.system == "windows":
        roaming = environ.get("APPDATA") or join_path(asking, user, "AppData", "Roaming")
        return [join_path(asking, user, "pip", "pip.ini"), join_path(asking, roaming, "pip", "pip.ini")]
    legacy = join_path(asking, user, ".pip", "pip.conf")
    support = join_path(asking, user, "Library", "Application Support", "pip")
    if asking.system == "macos" and asking.host.is_dir(Path(support)):
        return [legacy, join_path(asking, support, "pip.conf")]
    config = environ.get("XDG_CONFIG_HOME") or join_path(asking, user, ".config")
    return [legacy, join_path(asking, config, "pip", "pip.conf")]


def site_files(asking: Asking) -> List[str]:
    """The file of the active environment."""
    prefix = asking.environ.get("VIRTUAL_ENV") or asking.environ.get("CONDA_PREFIX")
    name = "pip.ini" if asking.system == "windows" else "pip.conf"
    return [join_path(asking, prefix, name)] if prefix else []


def _option(name: str) -> str:
    name = name.lower().replace("_", "-")
    return name[2:] if name.startswith("--") else name


def _variable(option: str) -> str:
    return "PIP_" + option.upper().replace("-", "_")
