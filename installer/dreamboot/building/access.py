"""How package sources are reached: certificates, proxy, logins. Holds secrets: for building only, never stored."""

from __future__ import annotations

import threading
from dataclasses import field
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple, Union
from urllib.parse import quote, unquote, urlsplit

from dreamboot.values import value

if TYPE_CHECKING:
    import requests

HIDDEN = "***"


@value
class Login:
    """User and password for one host ("host:port"). `url` is the index that they were written into."""

    host: str
    user: str
    password: str = field(default="", repr=False)
    url: str = ""


@value
class Access:
    """How this machine reaches its indexes. `certificate`: a CA bundle's path or ""; `proxy`: a URL or "".

    `bandwidth`: bytes per second that all downloads together may take, 0 for no limit. `timeout`: seconds of silence
    after which a server is asked again, 0 for the usual.
    """

    certificate: str = ""
    client_certificate: str = ""
    proxy: str = field(default="", repr=False)
    trusted_hosts: Tuple[str, ...] = ()
    logins: Tuple[Login, ...] = ()
    bandwidth: int = 0
    timeout: float = 0.0

    def login_for(self, url: str) -> Optional[Login]:
        """The login for the host of `url`; a file's host must be exactly the index's, as uv and pip hold it too."""
        host = urlsplit(url).netloc.rpartition("@")[2]
        return next((login for login in self.logins if login.host == host and login.password), None)

    def hide(self, text: str) -> str:
        """`text` without any of the secrets, however it spells them."""
        secrets = [login.password for login in self.logins] + [split_login(self.proxy)[1].password]
        for secret in sorted({spelt for one in secrets if one for spelt in (one, quote(one, safe=""))}, key=len)[::-1]:
            text = text.replace(secret, HIDDEN)
        return text


def split_login(url: str) -> Tuple[str, Login]:
    """(the URL without user and password, those); an empty login where the URL has none."""
    parts = urlsplit(url)
    before, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, Login(host=parts.netloc, user="")
    user, _, password = before.partition(":")
    plain = parts._replace(netloc=host).geturl()
    return plain, Login(host=host, user=unquote(user), password=unquote(password), url=plain)


def shown(url: str) -> str:
    """The URL without credentials, for people and logs."""
    return urlsplit(split_login(url)[0])._replace(query="").geturl()


def session(access: Access, url: str) -> requests.Session:
    """A session for `url`. netrc is requests' own business: it looks there when no login is given."""
    import requests

    made = requests.Session()
    if access.proxy:
        made.proxies = {"http": access.proxy, "https": access.proxy}
    if access.client_certificate:
        made.cert = access.client_certificate
    login = access.login_for(url)
    if login is not None:
        made.auth = (login.user, login.password)
    return made


class Connections:
    """The sessions of one fetch: a thread keeps its connection to a host from one file to the next.

    A new one for each file would read the certificates and greet the server again, 0.05 s of processor time each.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._own = threading.local()
        self._all: List[requests.Session] = []

    def session(self, url: str) -> requests.Session:
        """The calling thread's session for the host of `url`."""
        by_host: Dict[str, requests.Session] = self._own.__dict__
        host = urlsplit(url).netloc
        if host not in by_host:
            by_host[host] = session(self.access, url)
            self._all.append(by_host[host])
        return by_host[host]

    def close(self) -> None:
        """Close all of them; no thread may use one any more."""
        for made in self._all:
            made.close()


def verify(access: Access, url: str) -> Union[bool, str]:
    """requests' `verify`: False for hosts that the user told pip to trust, else the CA bundle or the default."""
    parts = urlsplit(url)
    if parts.hostname in access.trusted_hosts or parts.netloc.rpartition("@")[2] in access.trusted_hosts:
        return False
    return access.certificate or True
