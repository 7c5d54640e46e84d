"""Downloads what a lock names: parallel, resumed by byte range, checked by sha256, into one shared cache."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Iterator, List, Sequence, Tuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile
from dreamboot.model import DreambootError, Event, EventKind, Problem
from dreamboot.values import value

if TYPE_CHECKING:
    import requests

STAGE = "fetch"
CONNECTIONS = 4
CHUNK = 1 << 18
CONNECT_SECONDS = 15.0
# A server that sends nothing for this long has gone away: ask again for the rest.
READ_SECONDS = 45.0
# With back-off 1, 2, 4 … 30 s this bridges about two minutes without a network.
ATTEMPTS = 8


@value
class Access:
    """How this machine reaches its indexes. `certificate`: a CA bundle's path or ""; `proxy`: a URL or ""."""

    certificate: str = ""
    client_certificate: str = ""
    proxy: str = ""
    trusted_hosts: Tuple[str, ...] = ()


class Incomplete(Exception):  # noqa: N818 - a state that is retried, not an error that is shown
    """The body ended before the announced size."""


class WrongHash(Exception):  # noqa: N818 - a state that is retried, not an error that is shown
    """The bytes are not those that the lock names."""


class _Counter:
    """Bytes that have arrived, counted by all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0
        self.now = ""
        self.stop = threading.Event()

    def add(self, count: int, name: str = "") -> None:
        with self._lock:
            self.bytes += count
            self.now = name or self.now


def cached(layout: Layout, file: LockedFile) -> Path:
    """Where the verified file lies once it is fetched; it only ever appears there whole.

    A wheel of a local folder stays where it is: a copy would cost room twice, here and unpacked in uv's cache.
    """
    if is_local(file):
        return local_path(file.url)
    return layout.wheels / file.sha256[:2] / file.sha256 / file.filename


def fetch(layout: Layout, files: Sequence[LockedFile], access: Access) -> Iterator[Event]:
    """Fetch what the cache lacks; yields progress in bytes, some five times a second.

    Raises `DreambootError` when a file can't be had after `ATTEMPTS` tries or has the wrong content. What arrived is
    kept: the next call goes on at that byte.
    """
    for file in filter(is_local, files):
        check_local(file)
    missing = [file for file in files if not is_local(file) and not cached(layout, file).exists()]
    total = sum(size_of(file) for file in missing)
    counter = _Counter()
    if not missing:
        yield Event(kind=EventKind.LINE, stage=STAGE, message="everything is in the cache already")
        return
    pool = ThreadPoolExecutor(max_workers=CONNECTIONS)
    try:
        # Largest first: the long ones run beside the many small ones.
        jobs = [
            pool.submit(_fetch_one, layout, file, access, counter) for file in sorted(missing, key=lambda f: -f.size)
        ]
        while not _finished(jobs):
            yield _progress(counter, total)
        for job in jobs:
            job.result()
        yield _progress(counter, total)
    finally:
        counter.stop.set()
        pool.shutdown(wait=True)


def check_local(file: LockedFile) -> None:
    """Raises `DreambootError` when a wheel of a local folder is gone, or is not the locked one any more."""
    digest = hashlib.sha256()
    try:
        with local_path(file.url).open("rb") as source:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                digest.update(chunk)
    except OSError as error:
        raise DreambootError(_unreadable(file, error)) from error
    if digest.hexdigest() != file.sha256:
        raise DreambootError(_bad_content(file, WrongHash(f"sha256 {digest.hexdigest()} instead of {file.sha256}")))


def size_of(file: LockedFile) -> int:
    """Bytes of the file: as locked, or as it lies on disk where the index tells none."""
    if file.size or not is_local(file):
        return file.size
    try:
        return local_path(file.url).stat().st_size
    except OSError:
        return 0


def is_local(file: LockedFile) -> bool:
    """Whether the file lies in a folder of this machine."""
    return file.url.startswith("file:")


def local_path(url: str) -> Path:
    """The path of a file: URL."""
    return Path(url2pathname(urlsplit(url).path))


def _finished(jobs: List[Future[None]]) -> bool:
    done, pending = wait(jobs, timeout=0.2, return_when=FIRST_EXCEPTION)
    return not pending or any(job.exception() for job in done)


def _progress(counter: _Counter, total: int) -> Event:
    return Event(
        kind=EventKind.PROGRESS, stage=STAGE, message=counter.now, done=counter.bytes, total=total or None, unit="bytes"
    )


def _fetch_one(layout: Layout, file: LockedFile, access: Access, counter: _Counter) -> None:
    import requests
    import tenacity

    target = cached(layout, file)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((requests.RequestException, Incomplete, WrongHash)),
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_when_event_set(counter.stop),
        wait=tenacity.wait_random_exponential(multiplier=1, max=30),
        sleep=tenacity.sleep_using_event(counter.stop),
        reraise=True,
    )
    try:
        retrying(_attempt, file, partial, access, counter)
        partial.replace(target)
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise DreambootError(_unreachable(file, error)) from error
        raise DreambootError(_not_written(target, error)) from error
    except (Incomplete, WrongHash) as error:
        raise DreambootError(_bad_content(file, error)) from error


def _attempt(file: LockedFile, partial: Path, access: Access, counter: _Counter) -> None:
    """Go on where `partial` ends; leaves it complete and verified, or raises."""
    digest = hashlib.sha256()
    have = _hash_existing(partial, digest)
    counter.add(have, file.filename)
    arrived = have
    try:
        with partial.open("ab") as out:
            for chunk in _chunks(file, have, access):
                if counter.stop.is_set():
                    raise Incomplete("stopped")
                if chunk is None:  # the server starts from the beginning
                    counter.add(-arrived)
                    arrived, digest = 0, hashlib.sha256()
                    out.truncate(0)
                    continue
                out.write(chunk)
                digest.update(chunk)
                arrived += len(chunk)
                counter.add(len(chunk), file.filename)
            _flush(out)
        if file.size and arrived < file.size:
            raise Incomplete(f"{arrived} of {file.size} bytes arrived")
        if digest.hexdigest() != file.sha256:
            partial.unlink()
            raise WrongHash(f"sha256 {digest.hexdigest()} instead of {file.sha256}")
    except BaseException:
        counter.add(-arrived)
        raise


def _hash_existing(partial: Path, digest: hashlib._Hash) -> int:
    if not partial.exists():
        return 0
    count = 0
    with partial.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK), b""):
            digest.update(chunk)
            count += len(chunk)
    return count


def _chunks(file: LockedFile, have: int, access: Access) -> Iterator[bytes | None]:
    """The bytes from `have` on; None first where the source can only start from the beginning."""
    if file.size and have >= file.size:
        return
    with _session(access) as session:
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
        answer = session.get(
            file.url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS),
            verify=not _trusted(file.url, access) and (access.certificate or True),
        )  # fmt: skip
        with answer:
            if answer.status_code == 416:
                return
            answer.raise_for_status()
            if have and answer.status_code != 206:
                yield None
            yield from answer.iter_content(CHUNK)


def _session(access: Access) -> requests.Session:
    import requests

    session = requests.Session()
    if access.proxy:
        session.proxies = {"http": access.proxy, "https": access.proxy}
    if access.client_certificate:
        session.cert = access.client_certificate
    return session


def _trusted(url: str, access: Access) -> bool:
    """Whether the user told pip to skip certificate checks for this host."""
    parts = urlsplit(url)
    return parts.hostname in access.trusted_hosts or parts.netloc in access.trusted_hosts


def _flush(out: BinaryIO) -> None:
    import os

    out.flush()
    os.fsync(out.fileno())


def shown(url: str) -> str:
    """The URL without credentials, for people and logs."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _unreachable(file: LockedFile, error: Exception) -> Problem:
    import requests

    response = getattr(error, "response", None)
    status = f"HTTP {response.status_code}" if response is not None else type(error).__name__
    hint = "Check the network, then run the same command again: it goes on where it stopped."
    if isinstance(error, requests.exceptions.SSLError):
        hint = "Name your company's certificate: export SSL_CERT_FILE=/path/to/ca.pem, then run the same command again."
    return Problem(
        id="download-failed",
        what=f"{file.filename} could not be downloaded.",
        cause=f"{shown(file.url)} answered {status} {ATTEMPTS} times.",
        hint=hint,
    )


def _unreadable(file: LockedFile, error: OSError) -> Problem:
    return Problem(
        id="wheel-missing",
        what=f"{file.filename} is not where the lock says.",
        cause=f"{local_path(file.url)}: {error.strerror or error}",
        hint="Put the folder back (a drive that is not mounted?), or resolve anew: dreamboot build --yes",
    )


def _bad_content(file: LockedFile, error: Exception) -> Problem:
    return Problem(
        id="download-corrupt",
        what=f"{file.filename} arrives damaged.",
        cause=f"{shown(file.url)}: {error}. A proxy or mirror changes or cuts the file.",
        hint="Run the same command again, or name another mirror with --index URL.",
    )


def _not_written(target: Path, error: OSError) -> Problem:
    import errno

    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Problem(
        id="disk-full" if full else "cannot-write",
        what="A downloaded file could not be written." if not full else "The disk is full.",
        cause=f"{target.parent}: {error.strerror or error}",
        hint="Make room (dreamboot env gc removes old generations), or use another disk: --home FOLDER",
    )
