"""A bundle that is not as it was made is refused before anything of it runs, at every start."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = {
    "pylock.toml": b'lock-version = "1.0"\n',
    "dreamboot/pyproject.toml": b"[project]\n",
    "dreamboot/installer/dreamboot/cli.py": b"print()\n",
    "tool/rich-1-py3-none-any.whl": b"rich",
    "wheels/torch-1-py3-none-any.whl": b"torch",
}


@pytest.fixture
def bootstrap(monkeypatch: Any) -> Any:
    """The module, and the variables that it sets taken back."""
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "DREAMBOOT_BUNDLE"):
        monkeypatch.setenv(name, "before")
    spec = importlib.util.spec_from_file_location("bootstrap_of_a_bundle", ROOT / "installer" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bun dle \u00e4"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in FILES.items())
    (folder / "SHA256SUMS").write_text(sums)
    return folder


def test_a_whole_one_is_opened(bootstrap: Any, bundle: Path) -> None:
    import os

    words = ["bootstrap.py", "--offline", str(bundle), "up"]
    bootstrap.open_bundle(words)
    assert words == ["bootstrap.py", "--offline", "up"]
    assert os.environ["DREAMBOOT_BUNDLE"] == str(bundle)
    assert "PIP_INDEX_URL" not in os.environ
    bootstrap.check_bundle(str(bundle), ("dreamboot", "tool"))


@pytest.mark.parametrize("name", ["pylock.toml", "dreamboot/pyproject.toml", "dreamboot/installer/dreamboot/cli.py"])
@pytest.mark.parametrize("change", ["other", "gone"])
def test_what_runs_is_checked_at_every_start(bootstrap: Any, bundle: Path, name: str, change: str) -> None:
    (bundle / name).unlink() if change == "gone" else (bundle / name).write_bytes(b"changed")
    with pytest.raises(bootstrap.Failure) as caught:
        bootstrap.open_bundle(["bootstrap.py", "--offline", str(bundle), "up"])
    assert name in str(caught.value)


@pytest.mark.parametrize("file", ["rich-1-py3-none-any.whl", "rich-2-py3-none-any.whl"])
def test_the_tools_wheels_are_checked_before_pip_sees_them(bootstrap: Any, bundle: Path, file: str) -> None:
    (bundle / "tool" / file).write_bytes(b"evil")
    with pytest.raises(bootstrap.Failure) as caught:
        bootstrap.check_bundle(str(bundle), ("dreamboot", "tool"))
    assert f"tool/{file}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "nonsense\n", "\udcff\n", "0  \n"])
def test_sums_that_say_nothing(bootstrap: Any, bundle: Path, text: str) -> None:
    (bundle / "SHA256SUMS").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(bootstrap.Failure, match="damaged"):
        bootstrap.check_bundle(str(bundle), ("dreamboot",))
