"""From a plan to uv's arguments."""

from __future__ import annotations

from typing import Any, Tuple

from dreamboot.model import PackageIndexes, Plan, SourceKind, TorchBuild
from dreamboot.planning.uv_arguments import constraint_lines, resolver_arguments


def arguments(torch: TorchBuild, raw: PackageIndexes, **members: Any) -> Tuple[str, ...]:
    return resolver_arguments(Plan(python="3.12", torch=torch, **members), raw)


def build(kind: SourceKind, url: str = "") -> TorchBuild:
    return TorchBuild(version="2.14.1", tag="cu126", source=kind, url=url)


def test_the_pytorch_index_comes_before_the_default_one() -> None:
    found = arguments(build(SourceKind.PYTORCH_INDEX, "https://torch.example/whl/cu126"), PackageIndexes())
    assert found == ("--index", "https://torch.example/whl/cu126", "--index-strategy", "unsafe-best-match")


def test_a_find_links_folder_and_pips_extra_index_are_translated() -> None:
    raw = PackageIndexes(find_links=("/srv/wheels",), extra_index_urls=("https://extra.example/simple",))
    found = arguments(build(SourceKind.FIND_LINKS, "/srv/wheels"), raw)
    assert found == (
        "--index", "https://extra.example/simple", "--find-links", "/srv/wheels",
        "--index-strategy", "unsafe-best-match",
    )  # fmt: skip


def test_a_find_links_folder_alone_needs_no_strategy() -> None:
    assert arguments(build(SourceKind.FIND_LINKS, "/srv/w"), PackageIndexes()) == ("--find-links", "/srv/w")


def test_credentials_of_the_configuration_are_kept() -> None:
    raw = PackageIndexes(
        index_url="https://me:secret@mirror.example/simple/",
        extra_index_urls=("https://you:word@extra.example/simple",),
    )
    default = build(SourceKind.DEFAULT_INDEX, "https://mirror.example/simple")
    assert arguments(default, raw)[-4:-2] == ("--default-index", "https://me:secret@mirror.example/simple/")
    configured = build(SourceKind.CONFIGURED_INDEX, "https://extra.example/simple")
    assert arguments(configured, raw)[:2] == ("--index", "https://you:word@extra.example/simple")
    assert arguments(configured, raw).count("--index") == 1


def test_an_index_that_was_asked_for_replaces_the_configured_one() -> None:
    raw = PackageIndexes(index_url="https://mirror.example/simple")
    found = arguments(
        build(SourceKind.DEFAULT_INDEX), raw, indexes=PackageIndexes(index_url="https://new.example/simple")
    )
    assert found == ("--default-index", "https://new.example/simple")


def test_a_folder_whose_torch_would_win_over_the_index_is_left_out() -> None:
    raw = PackageIndexes(find_links=("/srv/wheels", "/srv/others"))
    found = arguments(build(SourceKind.DEFAULT_INDEX), raw, unused_folders=("/srv/wheels",))
    assert found == ("--find-links", "/srv/others")


def test_no_index_and_trusted_hosts() -> None:
    raw = PackageIndexes(no_index=True, find_links=("/srv/wheels",), trusted_hosts=("mirror.example",))
    found = arguments(build(SourceKind.FIND_LINKS, "/srv/wheels"), raw)
    assert found == ("--find-links", "/srv/wheels", "--no-index", "--allow-insecure-host", "mirror.example")


def test_pips_constraints_become_lines_without_torch() -> None:
    raw = PackageIndexes(constraints=("torch<=2.14.1", "numpy<2.5  # why", "not a requirement !", "Pillow>=12"))
    assert constraint_lines(raw) == ("numpy<2.5  # why", "Pillow>=12")
