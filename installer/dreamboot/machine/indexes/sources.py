"""The places that may hold torch wheels, in the order in which they are asked, and what each one holds."""

from __future__ import annotations

import re
from typing import Dict, Optional, Tuple

from dreamboot.machine.asking import Asking
from dreamboot.machine.indexes.answers import Answer, ask_pages
from dreamboot.machine.indexes.constraints import local_path
from dreamboot.machine.indexes.raw import RawIndexes, hide
from dreamboot.machine.pythons.places import join_path
from dreamboot.model import PackageSource, SourceKind

# Where PyTorch publishes its builds, one folder per CUDA, ROCm … tag (pytorch.org, "Get started").
PYTORCH_INDEX = "https://download.pytorch.org/whl"
_UNTRIED = "not tried: no network was to be used"
_WHEEL = r"torch(?:[_-]rocm)?-\d[^/\"'<>\s#?]*\.whl"


def sources(asking: Asking, settings: RawIndexes, *, late: bool = False) -> Tuple[PackageSource, ...]:
    """PyTorch index, find-links, configured indexes, default index.

    `late`: none of the pages is asked, as if none had answered in time.
    """
    pages = _pages(settings)
    answers: Dict[str, Answer] = {}
    if asking.network:
        unanswered = Answer(ok=False, reason="no answer in time")
        answers = dict.fromkeys(pages, unanswered) if late else ask_pages(asking, settings, pages)
    found = [_pytorch(settings, answers)]
    found += [_find_links(asking, link, answers) for link in settings.find_links]
    found += [_index(asking, url, settings, answers) for url in _indexes(settings)]
    found.append(_default(settings))
    return tuple(found)


def torch_wheels(text: str) -> Tuple[str, ...]:
    """File names of torch wheels in a page or a listing, each once, sorted."""
    from urllib.parse import unquote

    names = (unquote(name) for name in re.findall(rf"(?<![\w.-]){_WHEEL}", text))
    return tuple(sorted({name.replace("&#43;", "+") for name in names}))


def _pages(settings: RawIndexes) -> Dict[str, str]:
    """URL → method of every page that must be asked for."""
    pages = {}
    if not settings.no_index:
        pages[f"{PYTORCH_INDEX}/cpu/"] = "HEAD"
        pages.update({_torch_page(url): "GET" for url in _indexes(settings) if _remote(url)})
    pages.update({link: "GET" for link in settings.find_links if _remote(link)})
    return pages


def _indexes(settings: RawIndexes) -> Tuple[str, ...]:
    urls = (settings.index_url, *settings.extra_index_urls)
    return tuple(dict.fromkeys(url for url in urls if url))


def _remote(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _torch_page(url: str) -> str:
    return url.rstrip("/") + "/torch/"


def _pytorch(settings: RawIndexes, answers: Dict[str, Answer]) -> PackageSource:
    kind = SourceKind.PYTORCH_INDEX
    if settings.no_index:
        return _closed(kind, PYTORCH_INDEX)
    answer = answers.get(f"{PYTORCH_INDEX}/cpu/")
    if answer is None:
        return PackageSource(kind=kind, url=PYTORCH_INDEX, reason=_UNTRIED)
    return PackageSource(kind=kind, url=PYTORCH_INDEX, reachable=answer.ok, reason=answer.reason)


def _find_links(asking: Asking, link: str, answers: Dict[str, Answer]) -> PackageSource:
    kind, shown = SourceKind.FIND_LINKS, hide(link)
    if _remote(link):
        return _page(kind, shown, answers.get(link))
    path = _expanded(asking, local_path(link))
    if path.lower().endswith((".html", ".htm")):
        text = asking.read(path)
    else:
        text = "\n".join(asking.names(path)) if asking.exists(path) else None
    return _file(kind, shown, path, text)


def _index(asking: Asking, url: str, settings: RawIndexes, answers: Dict[str, Answer]) -> PackageSource:
    kind, shown = SourceKind.CONFIGURED_INDEX, hide(url)
    if settings.no_index:
        return _closed(kind, shown)
    if _remote(url):
        return _page(kind, shown, answers.get(_torch_page(url)))
    path = local_path(url)
    if not asking.exists(path):
        return _file(kind, shown, path, None)
    pages = [join_path(asking, path, name) for name in ("torch", "torch-rocm")]
    texts = [asking.read(join_path(asking, page, "index.html")) or "\n".join(asking.names(page)) for page in pages]
    return _file(kind, shown, path, "\n".join(texts))


def _page(kind: SourceKind, shown: str, answer: Optional[Answer]) -> PackageSource:
    if answer is None:
        return PackageSource(kind=kind, url=shown, reason=_UNTRIED)
    # An index that answers "not found" for torch is there; it just holds none.
    reachable = answer.ok or (answer.status == 404 and kind is SourceKind.CONFIGURED_INDEX)
    reason = "holds no torch wheel" if reachable and not answer.wheels else answer.reason
    return PackageSource(kind=kind, url=shown, reachable=reachable, torch_wheels=answer.wheels, reason=reason)


def _file(kind: SourceKind, shown: str, path: str, text: Optional[str]) -> PackageSource:
    if text is None:
        return PackageSource(kind=kind, url=shown, reachable=False, reason=f"{path} can't be read")
    wheels = torch_wheels(text)
    return PackageSource(
        kind=kind, url=shown, reachable=True, torch_wheels=wheels, reason="" if wheels else "holds no torch wheel"
    )


def _default(settings: RawIndexes) -> PackageSource:
    kind = SourceKind.DEFAULT_INDEX
    if settings.no_index:
        return _closed(kind, "")
    if settings.index_url:
        reason = f"the configuration replaces it by {hide(settings.index_url)}"
        return PackageSource(kind=kind, reachable=False, reason=reason)
    return PackageSource(kind=kind, reason="not tried: building asks it")


def _closed(kind: SourceKind, url: str) -> PackageSource:
    return PackageSource(kind=kind, url=url, reachable=False, reason="the configuration says no-index")


def _expanded(asking: Asking, path: str) -> str:
    from dreamboot.machine.pythons.places import user_folder

    return user_folder(asking) + path[1:] if re.match(r"^~([/\\]|$)", path) else path
