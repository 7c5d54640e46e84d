"""Plan → arguments of uv's resolver: the machine's own package sources and the one that has the torch build."""

from __future__ import annotations

from typing import Any, List, Tuple
from urllib.parse import urlsplit, urlunsplit

from dreamboot.model import Plan, SourceKind


def resolver_arguments(plan: Plan, raw_indexes: Any) -> Tuple[str, ...]:
    """uv arguments that make exactly the plan's torch come from the plan's source. Pure.

    `raw_indexes`: pip's and uv's settings with credentials (`machine.index.raw`), or a `PackageIndexes`. torch itself
    is pinned with its local version by the builder's requirements; `--torch-backend` is not used, because it would
    replace the source that was planned.
    """
    arguments = [*_indexes(plan, raw_indexes), *_folders(plan, raw_indexes)]
    if raw_indexes.no_index:
        arguments.append("--no-index")
    if "--index" in arguments:
        # uv's default takes a package from the first index that knows its name, whatever the version. The PyTorch
        # index holds old copies of pillow, numpy and others; pip, whose settings these are, compares all versions.
        arguments += ["--index-strategy", "unsafe-best-match"]
    for host in raw_indexes.trusted_hosts:
        arguments += ["--allow-insecure-host", host]
    return tuple(arguments)


def _indexes(plan: Plan, raw: Any) -> List[str]:
    """The torch index first, then the extra ones, and the default one, each with its own credentials."""
    torch, arguments = plan.torch, []
    extra = list(raw.extra_index_urls)
    if torch.source is SourceKind.PYTORCH_INDEX:
        arguments += ["--index", torch.url]
    if torch.source is SourceKind.CONFIGURED_INDEX:
        first = next((url for url in extra if without_login(url) == without_login(torch.url)), torch.url)
        arguments += ["--index", first] if first else []
        extra = [url for url in extra if url != first]
    for url in extra:
        arguments += ["--index", url]
    planned = plan.indexes.index_url
    if torch.source is SourceKind.DEFAULT_INDEX and torch.url:
        planned = torch.url
    same = without_login(planned) == without_login(raw.index_url)
    default = raw.index_url if same or not planned else planned
    return [*arguments, "--default-index", default] if default else arguments


def _folders(plan: Plan, raw: Any) -> List[str]:
    torch = plan.torch
    folders = list(raw.find_links)
    if torch.source is SourceKind.FIND_LINKS and torch.url and torch.url not in folders:
        folders.insert(0, torch.url)
    if torch.source in (SourceKind.DEFAULT_INDEX, SourceKind.CONFIGURED_INDEX):
        # "torch==2.14.1" also fits a file torch-2.14.1+cpu of a folder, and the folder would win over the index.
        folders = [folder for folder in folders if folder not in plan.unused_folders]
    return [word for folder in folders for word in ("--find-links", folder)]


def without_login(url: str) -> str:
    """A URL less its user name and password, and less a closing slash."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def constraint_lines(raw_indexes: Any) -> Tuple[str, ...]:
    """Lines for uv's `--constraint` file: pip's own constraints, which uv does not read, less those on torch.

    The plan's torch satisfies them already, and its local tag would not.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    for line in raw_indexes.constraints:
        try:
            if Requirement(line.split(" #", 1)[0].strip()).name.lower() != "torch":
                found.append(line)
        except InvalidRequirement:
            continue
    return tuple(found)
