"""uv's configuration: uv.toml of the system and the user, and UV_* variables, in the terms of pip's options."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.pythons.places import join_path, user_folder

Settings = Dict[str, Tuple[str, ...]]
# uv's variable → our option (uv's documentation, "Environment variables"); lists are split at white space.
VARIABLES = {
    "UV_DEFAULT_INDEX": "index-url",
    "UV_INDEX_URL": "index-url",
    "UV_INDEX": "extra-index-url",
    "UV_EXTRA_INDEX_URL": "extra-index-url",
    "UV_FIND_LINKS": "find-links",
    "UV_CONSTRAINT": "constraint",
    "UV_INSECURE_HOST": "trusted-host",
    "UV_NO_INDEX": "no-index",
}
# uv adds such settings of its sources up; of others the nearest source's counts.
LISTS = ("extra-index-url", "find-links", "trusted-host")


def uv_settings(asking: Asking) -> Tuple[Settings, Tuple[str, ...], Tuple[str, ...]]:
    """(option → values, files and variables that were read, faults)."""
    settings: Settings = {}
    read: List[str] = []
    faults: List[str] = []
    for path in config_files(asking):
        text = asking.read(path)
        if text is None:
            continue
        try:
            found = parse_uv_config(text)
        except (ValueError, RecursionError) as error:
            faults.append(f"{path}: {error}")
            continue
        if found:
            read.append(path)
        settings = joined(found, settings)
    variables = uv_variables(asking.environ)
    read.extend(name for name in VARIABLES if asking.environ.get(name, "").strip())
    return joined(variables, settings), tuple(read), tuple(faults)


def joined(first: Settings, second: Settings) -> Settings:
    """Both together: lists one behind the other, of everything else what `first` says."""
    lists = {
        option: tuple(dict.fromkeys((*first.get(option, ()), *second.get(option, ()))))
        for option in LISTS
        if option in first or option in second
    }
    return {**second, **first, **lists}


def config_files(asking: Asking) -> List[str]:
    """System file first, the user's second (it wins); UV_CONFIG_FILE alone when named, none with UV_NO_CONFIG."""
    environ, user = asking.environ, user_folder(asking)
    if environ.get("UV_CONFIG_FILE"):
        return [environ["UV_CONFIG_FILE"]]
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes"):
        return []
    if asking.system == "windows":
        system = join_path(asking, environ.get("PROGRAMDATA") or r"C:\ProgramData", "uv", "uv.toml")
        roaming = environ.get("APPDATA") or join_path(asking, user, "AppData", "Roaming")
        return [system, join_path(asking, roaming, "uv", "uv.toml")]
    folders = [folder for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder]
    places = [join_path(asking, folder, "uv", "uv.toml") for folder in folders] + ["/etc/uv/uv.toml"]
    # uv takes the first system file that is there.
    system_file = next((place for place in places if asking.exists(place)), "")
    config = environ.get("XDG_CONFIG_HOME") or join_path(asking, user, ".config")
    return [*filter(None, [system_file]), join_path(asking, config, "uv", "uv.toml")]


def parse_uv_config(text: str) -> Settings:
    """uv.toml → option → values; `[[index]]` tables become the default or an extra index.

    Raises ValueError, and RecursionError where it is nested absurdly deep.
    """
    from dreamboot.values import parse_toml

    data = parse_toml(text)
    settings: Settings = {}
    for table in (data, data.get("pip")):
        if isinstance(table, dict):
            settings = joined(_table(table), settings)
    return settings


def _table(table: Mapping[str, Any]) -> Settings:
    settings: Settings = {}
    for name, option in (
        ("index-url", "index-url"),
        ("extra-index-url", "extra-index-url"),
        ("find-links", "find-links"),
        ("allow-insecure-host", "trusted-host"),
    ):
        values = _strings(table.get(name))
        if values:
            settings[option] = values
    if table.get("no-index") is True:
        settings["no-index"] = ("1",)
    indexes = table.get("index")
    for index in indexes if isinstance(indexes, list) else ():
        # An explicit index serves only packages that a project pins to it: not a general source.
        if isinstance(index, dict) and isinstance(index.get("url"), str) and not index.get("explicit"):
            if index.get("format") == "flat":
                option = "find-links"
            else:
                option = "index-url" if index.get("default") else "extra-index-url"
            settings[option] = (*settings.get(option, ()), index["url"])
    return settings


def uv_variables(environ: Mapping[str, str]) -> Settings:
    """UV_* variables in our terms; `name=URL` entries of UV_INDEX lose their name."""
    settings: Settings = {}
    for variable, option in VARIABLES.items():
        words = (
            environ.get(variable, "").replace(",", " ").split()
            if variable == "UV_FIND_LINKS"
            else (environ.get(variable, "").split())
        )
        values = tuple(_unnamed(word) for word in words)
        if option == "no-index" and not (values and values[0].lower() in ("1", "true", "yes")):
            continue
        if values and option not in settings:
            settings[option] = values
        elif values and option == "extra-index-url":
            settings[option] = (*settings[option], *values)
    return settings


def _unnamed(word: str) -> str:
    name, equals, url = word.partition("=")
    return url if equals and "://" in url and "://" not in name else word


def _strings(value: Any) -> Tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
