"""One built home for all real tests: a build takes half a minute, and nothing in it depends on the test."""

from __future__ import annotations

import pytest

from support.dreamboot import answer


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A home with the environment `default`, in a folder whose name has a space and letters outside ASCII."""
    folder = tmp_path_factory.mktemp("real") / "dream böt hómé"
    answer(folder, "build", "--yes")
    return folder
