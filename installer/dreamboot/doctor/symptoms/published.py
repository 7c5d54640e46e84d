"""Whether a build of torch was ever published: the catalog's answer."""

from __future__ import annotations


def published(torch: str, tag: str) -> bool:
    """False only when the catalog knows the release and no index or platform has it with this tag."""
    from dreamboot import catalog

    release = catalog.load().release(torch)
    if release is None:
        return True
    tags = set(release.default.values())
    for offered in release.index.values():
        tags.update(offered)
    return tag in tags
