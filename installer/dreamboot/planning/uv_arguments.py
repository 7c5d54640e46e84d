"""Plan → arguments of uv's resolver: the machine's own package sources and the one that has the torch build."""

from __future__ import annotations

from typing import Any, List, Tuple

from dreamboot.model import Plan, SourceKind


def resolver_arguments(plan: Plan, raw_indexes: Any) -> Tuple[str, ...]:
    """uv arguments that make exactly the plan's torch come from the plan's source. Pure.

    `raw_indexes`: pip's and uv's settings with credentials (`machine.index.raw`), or a `PackageIndexes`. torch itself
    is pinned with its local version by the builder's requirements; `--torch-backend` is not used, because it would
    replace the source that was planned.
    """
    torch = plan.torch
    arguments: List[str] = []
    extra = list(raw_indexes.extra_index_urls)
    if torch.source is SourceKind.PYTORCH_INDEX:
        arguments += ["--index", torch.url]
    elif torch.source is SourceKind.CONFIGURED_INDEX and torch.url and torch.url in extra:
        extra.remove(torch.url)
        arguments += ["--index", torch.url]
    for url in extra:
        arguments += ["--index", url]
    default = torch.url if torch.source is SourceKind.DEFAULT_INDEX and torch.url else raw_indexes.index_url
    if default:
        arguments += ["--default-index", default]
    folders = list(raw_indexes.find_links)
    if torch.source is SourceKind.FIND_LINKS and torch.url and torch.url not in folders:
        folders.insert(0, torch.url)
    for folder in folders:
        arguments += ["--find-links", folder]
    if raw_indexes.no_index:
        arguments.append("--no-index")
    if "--index" in arguments:
        # uv's default takes a package from the first index that knows its name, whatever the version. The PyTorch
        # index holds old copies of pillow, numpy and others; pip, whose settings these are, compares all versions.
        arguments += ["--index-strategy", "unsafe-best-match"]
    for host in raw_indexes.trusted_hosts:
        arguments += ["--allow-insecure-host", host]
    return tuple(arguments)


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
