"""The one door to the system: everything that runs, reads, writes or moves goes through a `Host`."""

from __future__ import annotations

from dreamboot.host.base import Completed, Host
from dreamboot.host.local import current

__all__ = ["Completed", "Host", "current"]
