"""Index settings as configured, passwords and all: for building only, never printed or stored."""

from __future__ import annotations

import re
from typing import Tuple

from dreamboot.model import PackageIndexes
from dreamboot.values import value

HIDDEN = "***"
_LOGIN = r"(?<=://)[^/@\s]+@"
# Query parameters in which private indexes carry a key.
_KEYS = r"([?&](?:token|key|api[_-]?key|password|secret|sig|signature|access_token)=)[^&\s#]+"


@value
class RawIndexes:
    """pip's and uv's settings merged, as a resolver needs them.

    `constraint_files` are where `constraints` (requirement strings) were read from. `timeout` in seconds, 0 when
    unset. `faults`: what could not be read and why.
    """

    index_url: str = ""
    extra_index_urls: Tuple[str, ...] = ()
    find_links: Tuple[str, ...] = ()
    constraints: Tuple[str, ...] = ()
    constraint_files: Tuple[str, ...] = ()
    certificate: str = ""
    client_certificate: str = ""
    proxy: str = ""
    trusted_hosts: Tuple[str, ...] = ()
    no_index: bool = False
    timeout: float = 0.0
    read_from: Tuple[str, ...] = ()
    faults: Tuple[str, ...] = ()

    def public(self) -> PackageIndexes:
        """The same without credentials: what a `Machine` holds."""
        return PackageIndexes(
            index_url=hide(self.index_url),
            extra_index_urls=tuple(map(hide, self.extra_index_urls)),
            find_links=tuple(map(hide, self.find_links)),
            constraints=tuple(map(hide, self.constraints)),
            certificate=self.certificate,
            client_certificate=self.client_certificate,
            proxy=hide(self.proxy),
            trusted_hosts=self.trusted_hosts,
            no_index=self.no_index,
            read_from=self.read_from,
        )


def hide(text: str) -> str:
    """`text` with logins and keys in URLs replaced by `***`."""
    return re.sub(_KEYS, rf"\g<1>{HIDDEN}", re.sub(_LOGIN, f"{HIDDEN}@", text), flags=re.I)
