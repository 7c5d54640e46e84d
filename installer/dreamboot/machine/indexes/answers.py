"""Index pages asked for in a child process, all at once; answers are kept on disk for an hour."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.children import run_module
from dreamboot.machine.indexes.raw import RawIndexes
from dreamboot.values import to_json, value

# A source that answers is used within the same hour without asking again; one that does not is tried again soon,
# since people mend their network and run the same command again.
KEPT_SECONDS = 3600.0
KEPT_FAILURE_SECONDS = 60.0
# Both ends of a slow connection still answer a HEAD within this.
ANSWER_SECONDS = 2.0
CHILD_SECONDS = 3.0
# A cached answer is worthless once the way out of the machine has changed.
NETWORK_FILES = ("/etc/resolv.conf", "/proc/net/route")


@value
class Answer:
    """What a page answered. `status`: the HTTP status, 0 when there was no answer; `reason` says why it is not ok."""

    ok: bool
    status: int = 0
    reason: str = ""
    wheels: Tuple[str, ...] = ()
    time: float = 0.0


def ask_pages(asking: Asking, settings: RawIndexes, pages: Mapping[str, str]) -> Dict[str, Answer]:
    """URL → answer for `pages` (URL → method), from the cache where it is fresh, else really asked."""
    if not pages:
        return {}
    surroundings = _surroundings(asking, settings)
    keys = {url: _key(surroundings, url) for url in pages}
    file = asking.home / "cache" / "index-answers.json"
    cached = _fresh(asking.host.read_text(file) or "")
    missing = {url: method for url, method in pages.items() if keys[url] not in cached}
    for url in pages:
        if url not in missing:
            asking.note("the answers of the last hour")
    if missing:
        asked = _ask(asking, settings, missing)
        cached.update({keys[url]: answer for url, answer in asked.items()})
        _keep(asking, file, cached)
    return {url: cached[key] for url, key in keys.items() if key in cached}


def _ask(asking: Asking, settings: RawIndexes, pages: Mapping[str, str]) -> Dict[str, Answer]:
    """Let the child ask. URLs may hold passwords: they go through its standard input, never its command line."""
    request = {
        "pages": [{"url": url, "method": method} for url, method in pages.items()],
        "timeout": ANSWER_SECONDS,
        "proxy": settings.proxy,
        "certificate": settings.certificate,
        "client_certificate": settings.client_certificate,
        "trusted_hosts": list(settings.trusted_hosts),
    }
    answer = run_module(
        asking, "dreamboot.machine.indexes.fetch_child", timeout=CHILD_SECONDS, stdin=json.dumps(request)
    )
    now = time.time()
    reason = f"no answer within {CHILD_SECONDS:g} s" if answer.timed_out else "asking failed"
    # What was asked and not answered is not reachable: "not tried" would let a plan count on it.
    answers = {url: Answer(ok=False, reason=reason, time=now) for url in pages}
    try:
        answers.update({page["url"]: _answer(page, now) for page in json.loads(answer.stdout) if page["url"] in pages})
    except (ValueError, KeyError, TypeError):
        asking.note("the asking process answered nothing that can be read")
    return answers


def _answer(page: Mapping[str, Any], now: float) -> Answer:
    return Answer(
        ok=bool(page["ok"]),
        status=int(page["status"]),
        reason=str(page["reason"]),
        wheels=tuple(str(name) for name in page["wheels"]),
        time=now,
    )


def _surroundings(asking: Asking, settings: RawIndexes) -> str:
    files = [asking.host.read_text(Path(name)) or "" for name in NETWORK_FILES]
    return "\n".join([*files, settings.proxy, settings.certificate, *settings.trusted_hosts])


def _key(surroundings: str, url: str) -> str:
    """URLs may hold passwords: only their hash is stored."""
    return hashlib.sha256(f"{surroundings}\n{url}".encode()).hexdigest()[:24]


def _fresh(text: str) -> Dict[str, Answer]:
    """Stored answers that still count; an unreadable file counts as none."""
    now = time.time()
    try:
        stored = json.loads(text) if text else {}
        answers = {str(key): _answer(item, float(item["time"])) for key, item in stored.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {key: answer for key, answer in answers.items() if 0 <= now - answer.time < _lifetime(answer)}


def _lifetime(answer: Answer) -> float:
    return KEPT_SECONDS if answer.ok or answer.status == 404 else KEPT_FAILURE_SECONDS


def _keep(asking: Asking, file: Path, answers: Mapping[str, Answer]) -> Optional[str]:
    """Write the cache; a home that can't be written to costs only the time of asking again."""
    try:
        asking.host.write_text(file, json.dumps(to_json(dict(answers))))
    except OSError as error:
        return str(error)
    return None
