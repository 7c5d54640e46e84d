"""What the conversion's tests share: one folder per family, and the mark."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from support.tiny_families import sd1, sd2, sdxl  # noqa: E402


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.trainer)


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Family name -> a diffusers folder in float32. Never written to by tests."""
    root = tmp_path_factory.mktemp("models")
    for seed, make in enumerate((sd1, sd2, sdxl)):
        torch.manual_seed(seed)
        make().save_pretrained(root / make.__name__)
    return {make.__name__: root / make.__name__ for make in (sd1, sd2, sdxl)}


@pytest.fixture(params=["sd1", "sd2", "sdxl"])
def family(request):
    return request.param
