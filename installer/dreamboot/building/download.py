"""One download: goes on at the byte where it stopped, is checked by sha256, and is tried again with growing pauses."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import BinaryIO, Iterator, Optional
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dreamboot.building.access import Access, Connections, session, verify
from dreamboot.building.lock import LockedFile
from dreamboot.building.pace import Pace

CHUNK = 1 << 18
CONNECT_SECONDS = 15.0
# A server that sends nothing, or less than a kilobyte, for this long has gone away: ask again for the rest.
READ_SECONDS = 45.0
LEAST_BYTES = 1024
# A try that brought this much is a cut line, not a refusal: it does not count as a failure.
HEADWAY_BYTES = 1 << 20
# Answers that do not change by asking again.
FINAL = (401, 403, 404, 407, 410, 451)


class Incomplete(Exception):  # noqa: N818 - a state that is retried, not an error that is shown
    """The body ended, or stalled, before the announced size."""


class WrongHash(Exception):  # noqa: N818 - a state that is retried, not an error that is shown
    """The bytes are not those that the lock names."""


def download(file: LockedFile, partial: Path, connections: Connections, pace: Pace, attempts: int) -> None:
    """Bring `file` to `partial`, complete and verified; raises what the last of `attempts` vain tries raised."""
    import requests
    import tenacity

    vain = 0

    def give_up(state: tenacity.RetryCallState) -> bool:
        nonlocal vain
        error = state.outcome.exception() if state.outcome else None
        headway = getattr(error, "headway", 0)
        vain = 0 if headway >= HEADWAY_BYTES and not isinstance(error, WrongHash) else vain + 1
        status = getattr(getattr(error, "response", None), "status_code", None)
        return vain >= attempts or status in FINAL

    tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((requests.RequestException, Incomplete, WrongHash)),
        stop=lambda state: give_up(state) or pace.stop.is_set(),
        wait=tenacity.wait_random_exponential(multiplier=1, max=30),
        sleep=tenacity.sleep_using_event(pace.stop),
        reraise=True,
    )(_attempt, file, partial, connections, pace)


def _attempt(file: LockedFile, partial: Path, connections: Connections, pace: Pace) -> None:
    """Go on where `partial` ends; leaves it complete and verified, or raises."""
    digest = hashlib.sha256()
    have = hash_file(partial, digest)
    pace.add(have, file.filename, file.size, arrived=False)
    arrived = have
    try:
        with partial.open("ab") as out:
            for chunk in _chunks(file, have, connections):
                if pace.stop.is_set():
                    raise Incomplete("stopped")
                if chunk is None:  # the server starts from the beginning
                    pace.add(-arrived, file.filename, file.size, arrived=False)
                    arrived, digest = 0, hashlib.sha256()
                    out.truncate(0)
                    continue
                out.write(chunk)
                digest.update(chunk)
                arrived += len(chunk)
                pace.add(len(chunk), file.filename, file.size)
                pace.throttle(len(chunk))
                if file.size and arrived > file.size:
                    break
            _flush(out)
        if file.size and arrived < file.size:
            raise Incomplete(f"{arrived} of {file.size} bytes arrived")
        if digest.hexdigest() != file.sha256:
            partial.unlink()
            raise WrongHash(f"sha256 {digest.hexdigest()} instead of {file.sha256}")
    except BaseException as error:
        pace.add(-arrived, file.filename, file.size, arrived=False)
        error.headway = arrived - have  # type: ignore[attr-defined]
        raise


def hash_file(path: Path, digest: hashlib._Hash) -> int:
    """Feed a file into `digest`; its size in bytes, 0 when there is none."""
    if not path.exists():
        return 0
    count = 0
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
            count += len(chunk)
    return count


def read_file(path: Path) -> bytes:
    """A whole small file."""
    return path.read_bytes()


def local_path(url: str) -> Path:
    """The path of a file: URL."""
    return Path(url2pathname(urlsplit(url).path))


def announced(file: LockedFile, access: Access) -> int:
    """The size that the server tells; 0 when it does not."""
    import requests

    try:
        with session(access, file.url) as connection:
            answer = connection.head(
                file.url, headers={"Accept-Encoding": "identity"}, allow_redirects=True, timeout=CONNECT_SECONDS,
                verify=verify(access, file.url),
            )  # fmt: skip
            return int(answer.headers.get("Content-Length") or 0) if answer.ok else 0
    except (requests.RequestException, ValueError):
        return 0


def _chunks(file: LockedFile, have: int, connections: Connections) -> Iterator[Optional[bytes]]:
    """The bytes from `have` on; None first where the source can only start from the beginning."""
    if file.size and have >= file.size:
        return
    access = connections.access
    silence = access.timeout or READ_SECONDS
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    answer = connections.session(file.url).get(
        file.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, silence), verify=verify(access, file.url)
    )
    with answer:
        if answer.status_code == 416:
            return
        answer.raise_for_status()
        if have and not _goes_on(answer, have):
            yield None
        yield from _body(answer, silence)


def _goes_on(answer: object, have: int) -> bool:
    """Whether the answer begins at byte `have`. Raises `Incomplete` for one that begins elsewhere."""
    status = answer.status_code  # type: ignore[attr-defined]
    described = str(answer.headers.get("Content-Range", ""))  # type: ignore[attr-defined]
    if status == 206 and described and not described.startswith(f"bytes {have}-"):
        raise Incomplete(f"asked for byte {have}, the server sent {described}")
    return bool(status == 206)


def _body(answer: object, silence: float) -> Iterator[bytes]:
    """What arrives, as it arrives. Raises `Incomplete` when the line is cut, stalls, or drips."""
    import urllib3

    raw = answer.raw  # type: ignore[attr-defined]
    read = getattr(raw, "read1", raw.read)
    headers = answer.headers  # type: ignore[attr-defined]
    announced = int(headers.get("Content-Length") or 0)
    count, counted, begun = 0, 0, time.monotonic()
    try:
        while True:
            chunk = read(CHUNK)
            if not chunk:
                break
            count += len(chunk)
            yield chunk
            now = time.monotonic()
            if now - begun > silence:
                if count - counted < LEAST_BYTES:
                    raise Incomplete(f"only {count - counted} bytes in {now - begun:.0f} s")
                counted, begun = count, now
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Incomplete(f"the line was cut: {type(error).__name__}") from error
    if announced and count < announced:
        raise Incomplete(f"{count} of {announced} bytes arrived")


def _flush(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())
