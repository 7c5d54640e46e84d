"""Where this machine gets packages from, pip's and uv's configuration merged: with secrets for building."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Tuple

from dreamboot.host import Host
from dreamboot.machine.asking import Asking
from dreamboot.machine.indexes.constraints import read_constraints
from dreamboot.machine.indexes.pip_settings import pip_settings
from dreamboot.machine.indexes.raw import RawIndexes
from dreamboot.machine.indexes.uv_settings import uv_settings

__all__ = ["RawIndexes", "raw"]

TRUE = ("1", "true", "yes", "y", "on", "t")


def raw(host: Host) -> RawIndexes:
    """The configured indexes as they stand, passwords included: for building only; never print or store it."""
    return read_indexes(Asking(host, Path()))


def read_indexes(asking: Asking) -> RawIndexes:
    """pip's settings, completed by uv's: both tools' lists are joined; of single values pip's comes first."""
    pip, pip_read, pip_faults = pip_settings(asking)
    uv, uv_read, uv_faults = uv_settings(asking)
    lists = _joined(pip, uv)
    constraints, faults = read_constraints(asking, lists["constraint"])
    environ = asking.environ
    proxy = pip.get("proxy") or next(
        (environ[name] for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy") if environ.get(name)), ""
    )
    certificate = pip.get("cert") or next(
        (environ[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if environ.get(name)), ""
    )
    return RawIndexes(
        index_url=pip.get("index-url") or pip.get("pypi-url") or next(iter(uv.get("index-url", ())), ""),
        extra_index_urls=lists["extra-index-url"],
        find_links=lists["find-links"],
        constraints=constraints,
        constraint_files=lists["constraint"],
        certificate=certificate,
        client_certificate=pip.get("client-cert") or environ.get("SSL_CLIENT_CERT", ""),
        proxy=proxy,
        trusted_hosts=lists["trusted-host"],
        no_index=pip.get("no-index", "").lower() in TRUE or bool(uv.get("no-index")),
        timeout=_seconds(pip.get("default-timeout") or pip.get("timeout") or environ.get("UV_HTTP_TIMEOUT", "")),
        read_from=pip_read + uv_read,
        faults=pip_faults + uv_faults + faults,
    )


def _joined(pip: Dict[str, str], uv: Dict[str, Tuple[str, ...]]) -> Dict[str, Tuple[str, ...]]:
    """List options of both, each value once. pip splits its lists at white space."""
    names = ("extra-index-url", "find-links", "constraint", "trusted-host")
    return {name: tuple(dict.fromkeys((*pip.get(name, "").split(), *uv.get(name, ())))) for name in names}


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 0.0
