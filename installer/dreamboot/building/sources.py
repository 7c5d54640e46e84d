"""uv's source arguments without secrets: logins travel in variables that only uv and its children see."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from dreamboot.building.access import Login, split_login
from dreamboot.host import Host
from dreamboot.values import value

_INDEX = ("--index", "--default-index")
# A keyring may have to ask its daemon; a locked one may wait for a person who is not there.
_KEYRING_SECONDS = 20.0


@value
class Sources:
    """`arguments` can be shown and listed by `ps`; `variables` and `logins` hold the secrets."""

    arguments: Tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    logins: Tuple[Login, ...] = ()


def sources(host: Host, arguments: Sequence[str]) -> Sources:
    """Take logins out of index URLs; a user without a password is looked up in the keyring, as pip does."""
    public: List[str] = []
    variables: Dict[str, str] = {}
    logins: List[Login] = []
    folders: List[str] = []
    secret_folders = False
    for option, item in _pairs(arguments):
        plain, login = split_login(item)
        if login.user:
            login = _complete(host, login)
            logins.append(login)
        if option in _INDEX and login.user:
            name = f"d{len(logins)}"
            variables[f"UV_INDEX_{name.upper()}_USERNAME"] = login.user
            variables[f"UV_INDEX_{name.upper()}_PASSWORD"] = login.password
            public += [option, f"{name}={plain}"]
        elif option == "--find-links":
            folders.append(item)
            secret_folders = secret_folders or bool(login.user)
        else:
            public += [option, item] if item else [option]
    if secret_folders:
        variables["UV_FIND_LINKS"] = ",".join(folders)
    else:
        public += [word for folder in folders for word in ("--find-links", folder)]
    return Sources(arguments=tuple(public), variables=variables, logins=tuple(logins))


def single_sources(arguments: Sequence[str]) -> Tuple[Tuple[str, ...], ...]:
    """Each source of `arguments` on its own, and uv's default one last: where else a file may be."""
    found: List[Tuple[str, ...]] = []
    common: List[str] = []
    for option, item in _pairs(arguments):
        if option in _INDEX:
            found.append(("--default-index", item))
        elif option == "--find-links":
            found.append(("--no-index", "--find-links", item))
        elif option == "--allow-insecure-host":
            common += [option, item]
    if "--no-index" in arguments:
        found = [one for one in found if one[0] == "--no-index"]
    elif "--default-index" not in arguments:
        found.append(())
    return tuple((*one, *common) for one in found)


def _pairs(arguments: Sequence[str]) -> Iterator[Tuple[str, str]]:
    """(option, its value or "")."""
    words = list(arguments)
    while words:
        option = words.pop(0)
        yield option, words.pop(0) if words and not words[0].startswith("--") else ""


def _complete(host: Host, login: Login) -> Login:
    if login.password:
        return login
    program = host.which("keyring")
    if program is None:
        return login
    done = host.run([program, "get", login.url, login.user], timeout=_KEYRING_SECONDS)
    if not done.ok:
        done = host.run([program, "get", login.host, login.user], timeout=_KEYRING_SECONDS)
    password = done.stdout.rstrip("\r\n") if done.ok else ""
    return Login(host=login.host, user=login.user, password=password, url=login.url)
