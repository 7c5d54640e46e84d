"""Rows to add to the catalog, from a package index's own metadata: `python -m dreamboot.catalog.refresh PACKAGE`.

Reads which wheels an index holds (PEP 503/691) and prints what the catalog does not have yet, as rows for the data
files. It changes nothing: facts that no index tells (what a build was compiled for, driver minimums) are left for a
person to fill in, with their source. The index is pip's: PIP_INDEX_URL, its
configuration, or its default; or --index URL.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from datetime import date, datetime, timezone
from typing import Any, Dict, Iterable, Iterator, List, Set, Tuple
from urllib.parse import unquote

from dreamboot.catalog.catalog import Catalog, load
from dreamboot.catalog.versions import numbers

# How a wheel's platform tag begins → the catalog's platform.
_PLATFORMS = (
    (r"(?:many)?linux\w*_x86_64$", "linux-x86_64"),
    (r"(?:many)?linux\w*_aarch64$", "linux-aarch64"),
    (r"win_amd64$", "windows-x86_64"),
    (r"macosx_\w+_(?:arm64|universal2)$", "macos-aarch64"),
    (r"macosx_\w+_x86_64$", "macos-x86_64"),
)
TABLE = {
    "torch": ("torch", "torch"),
    "bitsandbytes": ("bitsandbytes", "version"),
    "xformers": ("xformers", "version"),
    "triton-windows": ("triton_windows", "version"),
    "accelerate": ("accelerate", "accelerate"),
}


def wheels_of(listing: str) -> Tuple[str, ...]:
    """File names of wheels in a simple page, JSON (PEP 691) or HTML (PEP 503); yanked files are left out."""
    if listing.lstrip().startswith("{"):
        files = json.loads(listing).get("files", [])
        names = [str(file["filename"]) for file in files if not file.get("yanked")]
    else:
        links = re.findall(r"<a\b([^>]*)>([^<]+)</a>", listing)
        names = [unquote(text.strip()) for attributes, text in links if "data-yanked" not in attributes]
    return tuple(name for name in names if name.endswith(".whl"))


def summary(wheels: Iterable[str]) -> Dict[str, Dict[str, Any]]:
    """Per public version: Pythons per platform, free-threaded ones, local tags and the oldest glibc and macOS."""
    found: Dict[str, Dict[str, Any]] = {}
    for name in wheels:
        fields = name[:-4].split("-")
        if len(fields) not in (5, 6) or not re.match(r"\d+(\.\d+)*(\.post\d+)?(\+|$)", fields[1]):
            continue
        version, _, local = fields[1].partition("+")
        empty: Dict[str, Any] = {"python": {}, "free_threaded": set(), "local": set(), "glibc": "", "macos": ""}
        row = found.setdefault(version, empty)
        python, abi, platforms = fields[-3:]
        minor = re.sub(r"^cp3(\d+)$", r"3.\1", python)
        for tag in platforms.split("."):
            platform = next((where for pattern, where in _PLATFORMS if re.match(pattern, tag)), "")
            if platform and not abi.endswith("t"):
                row["python"].setdefault(platform, set()).add(minor)
            glibc, macos = re.match(r"manylinux_(\d+_\d+)", tag), re.match(r"macosx_(\d+_\d+)", tag)
            row["glibc"] = glibc.group(1).replace("_", ".") if glibc else row["glibc"]
            row["macos"] = macos.group(1).replace("_", ".") if macos else row["macos"]
        if abi.endswith("t"):
            row["free_threaded"].add(f"{minor}t")
        if local:
            row["local"].add(local)
    return found


def new_rows(package: str, wheels: Iterable[str], catalog: Catalog, today: date) -> Iterator[Dict[str, Any]]:
    """A row for every version above the newest that the catalog has; `FILL IN` marks what the index does not tell."""
    table, key = TABLE[package]
    known = {str(row[key]) for row in catalog.raw(table)["rows"]}
    newest = max((numbers(version) for version in known), default=())
    for version, facts in sorted(summary(wheels).items(), key=lambda pair: numbers(pair[0])):
        if version in known or numbers(version) < newest:
            continue
        pythons: Dict[str, Set[str]] = facts["python"]
        row: Dict[str, Any] = {key: version}
        if package == "torch":
            main = _ordered(pythons.get("linux-x86_64", set()))
            row["python"] = main
            others = {where: _ordered(found) for where, found in pythons.items() if _ordered(found) != main}
            row.update({"python_by_platform": others} if others else {})
            row.update({"free_threaded": _ordered(facts["free_threaded"])} if facts["free_threaded"] else {})
            row.update(glibc=facts["glibc"], macos=facts["macos"], default=dict.fromkeys(sorted(pythons), "FILL IN"))
            row["index"] = {"FILL IN": sorted(facts["local"]) or ["FILL IN"]}
        else:
            row["platforms"] = sorted(pythons)
            row["python"] = sorted({minor for found in pythons.values() for minor in found})
        row["source"] = [f"files of {package} on the package index, listed {today.isoformat()}"]
        yield row


def _ordered(minors: Iterable[str]) -> List[str]:
    return sorted(minors, key=numbers)


def listing_of(package: str, index: str) -> str:
    """The simple page of a project. Raises `requests.RequestException`."""
    import requests

    accept = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
    answer = requests.get(f"{index.rstrip('/')}/{package}/", headers={"Accept": accept}, timeout=60)
    answer.raise_for_status()
    return answer.text


_ASK_PIP = (
    "from pip._internal.configuration import Configuration; from pip._internal.models.index import PyPI; "
    "c = Configuration(isolated=False); c.load(); print(dict(c.items()).get('global.index-url') or PyPI.simple_url)"
)


def configured_index() -> str:
    """PIP_INDEX_URL, else what pip is configured with, else pip's own default; "" where there is no pip to ask."""
    from dreamboot.host import current

    host = current()
    asked = host.environ.get("PIP_INDEX_URL", "")
    if asked:
        return asked
    done = host.run([sys.executable, "-c", _ASK_PIP], timeout=30)
    return done.stdout.strip() if done.returncode == 0 else ""


def main(argv: List[str] | None = None) -> int:
    """Print the rows; exit code 2 where no index is configured and none is given."""
    parser = argparse.ArgumentParser(prog="python -m dreamboot.catalog.refresh", description=__doc__)
    parser.add_argument("package", choices=sorted(TABLE))
    parser.add_argument("--index", default="", metavar="URL", help="a simple index; default: pip's configured one")
    args = parser.parse_args(argv)
    index = args.index or configured_index()
    if not index:
        parser.error("there is no pip here to ask for its index: name one with --index URL")
    wheels = wheels_of(listing_of(args.package, index))
    rows = list(new_rows(args.package, wheels, load(), datetime.now(timezone.utc).date()))
    for row in rows:
        sys.stdout.write(f"  {json.dumps(row, ensure_ascii=False)},\n")
    sys.stderr.write(f"{len(wheels)} wheels read, {len(rows)} versions are not in the catalog\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
