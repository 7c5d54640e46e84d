"""Offers a local folder of wheels to the resolver as an index that names the sha256 of the plan's torch.

uv can't lock a file without its hash: for a wheel that just lies in a folder it would unpack all of it first, 1.6 s for
torch's CPU build and many times that for CUDA's, before the first download could begin.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from dreamboot.building.download import hash_file, local_path
from dreamboot.building.lock import LockedFile
from dreamboot.building.order import Site
from dreamboot.building.tags import best_wheel

STRATEGY = ("--index-strategy", "unsafe-best-match")


def planned_torch(site: Site) -> Optional[LockedFile]:
    """The plan's torch in a local folder of the sources, with its sha256; None where there is none.

    None also where no index may be asked (`--no-index`): uv then reads folders only.
    """
    wanted = site.order.plan.torch.local_version
    if "--no-index" in site.order.sources:
        return None
    for folder in _folders(site.order.sources):
        names = [name for name in _wheels(folder) if _version(name) == ("torch", wanted)]
        index = best_wheel(names, site.order.target.tags())
        if index >= 0:
            digest = hashlib.sha256()
            size = hash_file(folder / names[index], digest)
            url = (folder / names[index]).as_uri()
            return LockedFile(
                name="torch", version=wanted, url=url, sha256=digest.hexdigest(), size=size, file=names[index]
            )
    return None


def sources_with(site: Site, torch: LockedFile) -> Tuple[str, ...]:
    """The site's sources, with torch's folder as an index that is written into the generation.

    The index stands first, and all versions are compared: that is how uv takes a folder of links.
    """
    words, left = list(site.order.sources), []
    folder = local_path(torch.url).parent
    while words:
        word = words.pop(0)
        if word == "--find-links" and words and _path(words[0]) == folder:
            words.pop(0)
        else:
            left.append(word)
    place = site.generation.path / ".local-index"
    _write(site, folder, place, torch)
    strategy = () if STRATEGY[0] in left else STRATEGY
    return ("--index", place.as_uri(), *left, *strategy)


def remove(site: Site) -> None:
    """The index is for one resolution; its lock names the files themselves."""
    site.host.remove(site.generation.path / ".local-index")


def _folders(sources: Sequence[str]) -> List[Path]:
    pairs = zip(sources, sources[1:])
    paths = [_path(word) for option, word in pairs if option == "--find-links"]
    return [path for path in paths if path is not None and path.is_dir()]


def _path(word: str) -> Optional[Path]:
    if word.startswith("file:"):
        return local_path(word)
    return Path(word) if Path(word).is_absolute() else None


def _wheels(folder: Path) -> List[str]:
    return sorted(path.name for path in folder.glob("*.whl"))


def _version(name: str) -> Tuple[str, str]:
    """(normalized name, version) of a wheel's file name; empty where it is none."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        parsed = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return "", ""
    return str(parsed[0]), str(parsed[1])


def _write(site: Site, folder: Path, place: Path, torch: LockedFile) -> None:
    """One page per distribution (PEP 503), each link to the wheel where it lies."""
    links: Dict[str, List[str]] = {}
    for file in _wheels(folder):
        # As uv spells the address of a folder's file, so that the lock is the same either way.
        url = (folder / file).as_uri().replace("%2B", "+")
        fragment = f"#sha256={torch.sha256}" if file == torch.filename else ""
        links.setdefault(_version(file)[0], []).append(f'<a href="{url}{fragment}">{file}</a>')
    site.host.remove(place)
    for name, found in links.items():
        if name:
            page = f"<!DOCTYPE html><html><body>{''.join(found)}</body></html>\n"
            # Not made durable, as other files are: there may be thousands, and they are gone in a second.
            (place / name).mkdir(parents=True)
            (place / name / "index.html").write_text(page, encoding="utf-8")
