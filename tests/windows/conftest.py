"""The Wine root of all tests under Wine."""

from __future__ import annotations

import pytest

from support.wine import alone, make_root


@pytest.fixture(scope="session")
def wine_root():
    """There from here on; made once, in half a minute, where it is missing."""
    with alone():
        make_root()
