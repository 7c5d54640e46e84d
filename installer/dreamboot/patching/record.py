"""A distribution's RECORD ("Recording installed projects", PyPA): lines changed, added, dropped; the rest as it was."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import List, Mapping, Optional


def edited(record: str, files: Mapping[str, Optional[bytes]]) -> str:
    """`record` with the line of every path in `files` made true: new content, or None for a file that is gone.

    Lines of other files keep their bytes and their order. A line without a hash (a .pyc, RECORD itself) gets none.
    """
    kept: List[str] = []
    open_ = dict(files)
    for line in record.split("\n"):
        path = _path(line)
        if path not in files:
            kept.append(line)
            continue
        data = open_.pop(path, None)
        if data is not None:
            end = "\r" if line.endswith("\r") else ""
            kept.append((line.rstrip("\r") if _hashless(line) else entry(path, data)) + end)
    added = [entry(path, data) for path, data in open_.items() if data is not None]
    end = "\r" if "\r\n" in record else ""
    if kept and kept[-1] == "":
        return "\n".join([*kept[:-1], *(line + end for line in added), ""])
    return "\n".join([*kept, *(line + end for line in added)])


def entry(path: str, data: bytes) -> str:
    """One line: path, hash without padding, size in bytes."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([path, f"sha256={digest}", str(len(data))])
    return out.getvalue()


def _cells(line: str) -> List[str]:
    return next(csv.reader([line.rstrip("\r")]), [])


def _path(line: str) -> str:
    cells = _cells(line)
    return cells[0] if cells else ""


def _hashless(line: str) -> bool:
    cells = _cells(line)
    return len(cells) > 1 and not cells[1]
