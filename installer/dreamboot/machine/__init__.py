"""Facts about one machine: read by probes that never raise, or stated in a file."""

from __future__ import annotations

from pathlib import Path

from dreamboot.host import Host
from dreamboot.model import Machine


def detect(host: Host, home: Path, *, network: bool = True) -> Machine:
    """Ask everything about this machine, all probes side by side, 5 s each at most; never raises.

    `home` is dreamboot's folder (its disk is measured, its cache of index answers used). Without `network` no index is
    asked: what can be read from files alone is.
    """
    from dreamboot.machine.survey import survey

    return survey(host, home, network=network)


def assume(path: Path) -> Machine:
    """The machine that a TOML or JSON file states; every field is optional.

    The file may also hold what nvidia-smi (in any of its forms), rocminfo or rocm-smi --json printed.

    Raises `DreambootError` when the file can't be read, names an unknown field or gives one the wrong kind of value.
    """
    from dreamboot.machine.stated import read_stated

    return read_stated(path)
