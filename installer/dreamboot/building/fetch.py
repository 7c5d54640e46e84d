"""Downloads what a lock names: parallel, resumed by byte range, checked by sha256, into one shared cache."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Iterator, List, Sequence

from dreamboot.building.access import Access, Connections, shown
from dreamboot.building.download import Incomplete, WrongHash, announced, download, hash_file, local_path
from dreamboot.building.layout import Layout
from dreamboot.building.lock import LockedFile
from dreamboot.building.pace import STAGE, Pace
from dreamboot.building.space import full_disk, is_full
from dreamboot.model import DreambootError, Event, EventKind, Problem

CONNECTIONS = 4
# With back-off 1, 2, 4 … 30 s this bridges about two minutes without a network.
ATTEMPTS = 8


class FetchFailed(DreambootError):  # noqa: N818 - reads as what happened
    """One file can't be had from where the lock says it is; another source may have it."""

    def __init__(self, problem: Problem, file: LockedFile) -> None:
        super().__init__(problem)
        self.file = file


def cached(layout: Layout, file: LockedFile) -> Path:
    """Where the verified file lies once it is fetched; it only ever appears there whole.

    A wheel of a local folder stays where it is: a copy would cost room twice, here and unpacked in uv's cache.
    """
    if is_local(file):
        return local_path(file.url)
    return layout.wheels / file.sha256[:2] / file.sha256 / file.filename


def fetch(layout: Layout, files: Sequence[LockedFile], access: Access, attempts: int = ATTEMPTS) -> Iterator[Event]:
    """Fetch what the cache lacks; yields progress in bytes, some five times a second.

    Raises `FetchFailed` when a file can't be had after `attempts` vain tries or has the wrong content. What arrived is
    kept: the next call goes on at that byte.
    """
    check_all_local(files)
    missing = missing_files(layout, files)
    if not missing:
        yield Event(kind=EventKind.LINE, stage=STAGE, message="everything is in the cache already")
        return
    pace = Pace(sum(size_of(file) for file in missing), access.bandwidth)
    pool, connections = ThreadPoolExecutor(max_workers=CONNECTIONS), Connections(access)
    try:
        # Largest first: the long ones run beside the many small ones.
        jobs = [
            pool.submit(_fetch_one, layout, file, connections, pace, attempts)
            for file in sorted(missing, key=lambda f: -size_of(f))
        ]
        while not _finished(jobs):
            yield pace.progress()
        for job in jobs:
            if not job.cancelled():
                job.result()
        yield pace.progress()
    finally:
        pace.stop.set()
        pool.shutdown(wait=True)
        connections.close()


def missing_files(layout: Layout, files: Sequence[LockedFile]) -> List[LockedFile]:
    """Those that have to be downloaded."""
    return [file for file in files if not is_local(file) and not cached(layout, file).exists()]


def is_local(file: LockedFile) -> bool:
    """Whether the file lies in a folder of this machine."""
    return file.url.startswith("file:")


def load() -> None:
    """Load what a fetch needs, while there is time: about 0.2 s."""
    import filelock
    import requests
    import tenacity

    del filelock, requests, tenacity


def check_all_local(files: Sequence[LockedFile]) -> None:
    """`check_local` for those of `files` that lie in folders of this machine."""
    for file in filter(is_local, files):
        check_local(file)


def require_local(file: LockedFile) -> None:
    """Raises `FetchFailed` when a wheel of a local folder is gone; its content is not looked at."""
    try:
        if not stat.S_ISREG(local_path(file.url).stat().st_mode):
            raise OSError("not a file")  # a device never ends
    except (OSError, ValueError) as error:
        raise FetchFailed(_gone(file, error), file) from error


def check_local(file: LockedFile) -> None:
    """Raises `FetchFailed` when a wheel of a local folder is gone, or is not the locked one any more."""
    digest = hashlib.sha256()
    require_local(file)
    try:
        hash_file(local_path(file.url), digest)
    except (OSError, ValueError) as error:
        raise FetchFailed(_gone(file, error), file) from error
    if digest.hexdigest() != file.sha256:
        wrong = WrongHash(f"sha256 {digest.hexdigest()} instead of {file.sha256}")
        raise FetchFailed(_bad_content(file, wrong, Access()), file)


def check_cached(layout: Layout, file: LockedFile) -> bool:
    """Whether the cache still holds the file as it was locked; a damaged one is removed, and fetched again later."""
    place = cached(layout, file)
    digest = hashlib.sha256()
    hash_file(place, digest)
    if digest.hexdigest() == file.sha256:
        return True
    with contextlib.suppress(FileNotFoundError):
        place.unlink()
    return False


def size_of(file: LockedFile) -> int:
    """Bytes of the file: as locked, as its server says, or as it lies on disk; 0 where nobody tells."""
    if file.size or not is_local(file):
        return file.size or file.announced
    try:
        return local_path(file.url).stat().st_size
    except OSError:
        return 0


def with_sizes(files: Sequence[LockedFile], access: Access) -> List[LockedFile]:
    """Ask the servers for the sizes that the lock does not name (PyTorch's index publishes none)."""
    unknown = [file for file in files if not file.size and not is_local(file)]
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        sizes = dict(zip((file.sha256 for file in unknown), pool.map(lambda file: announced(file, access), unknown)))
    return [replace(file, announced=sizes.get(file.sha256, 0)) for file in files]


def _finished(jobs: List[Future[None]]) -> bool:
    """Whether all have ended. After a failure none is begun any more, but those that run may end well."""
    done, pending = wait(jobs, timeout=0.2)
    if any(not job.cancelled() and job.exception() for job in done):
        for job in pending:
            job.cancel()
    return not pending


def _fetch_one(layout: Layout, file: LockedFile, connections: Connections, pace: Pace, attempts: int) -> None:
    """Bring one file into the cache; only one process at a time writes it, also from another environment's build."""
    import filelock
    import requests

    target = cached(layout, file)
    lock = target.with_name(target.name + ".lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _held(filelock.FileLock(str(lock)), pace):
            if not target.exists() and not pace.stop.is_set():
                partial = target.with_name(target.name + ".partial")
                download(file, partial, connections, pace, attempts)
                partial.replace(target)
                pace.done(file.filename)
            with contextlib.suppress(OSError):
                # Whoever still waits for it sees the complete file and needs the lock no longer.
                lock.unlink()
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise FetchFailed(_unreachable(file, error, connections.access), file) from error
        raise DreambootError(_not_written(target, error)) from error
    except (Incomplete, WrongHash) as error:
        raise FetchFailed(_bad_content(file, error, connections.access), file) from error


@contextlib.contextmanager
def _held(lock: object, pace: Pace) -> Iterator[None]:
    import filelock

    assert isinstance(lock, filelock.BaseFileLock)  # noqa: S101 - for the type checker
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            if pace.stop.is_set():
                raise Incomplete("stopped") from None
    try:
        yield
    finally:
        lock.release()


def _unreachable(file: LockedFile, error: Exception, access: Access) -> Problem:
    import requests

    response = getattr(error, "response", None)
    status = f"HTTP {response.status_code}" if response is not None else type(error).__name__
    hint = "Check the network, then run the same command again: it goes on where it stopped."
    if isinstance(error, requests.exceptions.SSLError):
        hint = "Name your company's certificate: export SSL_CERT_FILE=/path/to/ca.pem, then run the same command again."
    elif response is not None and response.status_code in (401, 403):
        hint = "Give the login in pip's index-url, in ~/.netrc or in the keyring, then run the same command again."
    return Problem(
        id="download-failed",
        what=f"{file.filename} could not be downloaded.",
        cause=f"{access.hide(shown(file.url))} answered {status}, also when it was asked again.",
        hint=hint,
    )


def _bad_content(file: LockedFile, error: Exception, access: Access) -> Problem:
    return Problem(
        id="download-corrupt" if isinstance(error, WrongHash) else "download-failed",
        what=f"{file.filename} arrives damaged." if isinstance(error, WrongHash) else f"{file.filename} arrives cut.",
        cause=f"{access.hide(shown(file.url))}: {error}. A proxy or mirror changes or cuts the file.",
        hint="Run the same command again, or name another mirror with --index URL.",
    )


def _gone(file: LockedFile, error: Exception) -> Problem:
    return Problem(
        id="wheel-missing",
        what=f"{file.filename} is not where the lock says.",
        cause=f"{local_path(file.url)}: {getattr(error, 'strerror', None) or error}",
        hint="Put the folder back (a drive that is not mounted?), or resolve anew: dreamboot build --yes",
    )


def _not_written(target: Path, error: OSError) -> Problem:
    if is_full(error):
        return full_disk(f"{target.parent}: {error.strerror}")
    return Problem(
        id="cannot-write",
        what="A downloaded file could not be written.",
        cause=f"{target.parent}: {error.strerror or error}",
        hint="Use another folder: --home FOLDER",
    )
