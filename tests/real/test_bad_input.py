"""Wrong input ends in a Problem that names it, with exit code 1, and leaves nothing half-made."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from support.dreamboot import call, command

pytestmark = pytest.mark.real

FEW = ("--set", "max_train_steps=2", "--set", "with_prior_preservation=false", "--set", "num_validation_images=0",
       "--set", "resolution=64")  # fmt: skip


def png(width: int, height: int) -> bytes:
    """A grey PNG, written by hand so that the tests need no image library."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + bytes([(x * 7 + y * 3) % 256 for x in range(width)]) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def photos(tmp_path):
    """Three good photos."""
    folder = tmp_path / "my phötos"
    folder.mkdir()
    for index in range(3):
        (folder / f"{index}.png").write_bytes(png(80 + index, 80))
    return folder


def refused(home: Path, *arguments: str) -> dict[str, str]:
    """The Problem of a call that must fail."""
    done = call(home, "up", "--yes", "--json", *FEW, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    problem = json.loads(done.stdout)["problem"]
    assert problem["what"]
    assert problem["cause"]
    assert problem["hint"], problem
    return problem


def mentions(problem: dict[str, str], *words: str) -> bool:
    """Whether the words stand in what is told."""
    text = " ".join(problem.values()).lower()
    return all(word.lower() in text for word in words)


def demo_arguments(folder: Path, output: Path) -> tuple[str, ...]:
    """The demo's model on photos of one's own."""
    return ("--photos", str(folder), "--class", "monster", "--model", "demo", "--output", str(output))


def test_good_photos_pass(home, photos, tmp_path):
    done = call(home, "up", "--yes", "--json", *FEW, *demo_arguments(photos, tmp_path / "run"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.jpg", b"this is no picture\n" * 20),
        ("empty.png", b""),
        ("cut.png", png(80, 80)[:-40]),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"\x00" * 40),
        ("dot.png", png(1, 1)),
    ],
)
def test_a_bad_photo_is_named(home, photos, tmp_path, name, content):
    (photos / name).write_bytes(content)
    problem = refused(home, *demo_arguments(photos, tmp_path / "run"))
    assert mentions(problem, name), problem
    assert not (tmp_path / "run" / "model").exists()
    assert (photos / name).read_bytes() == content


def test_a_missing_folder(home, tmp_path):
    assert mentions(refused(home, *demo_arguments(tmp_path / "nowhere", tmp_path / "run")), "nowhere")


def test_an_empty_folder(home, tmp_path):
    (tmp_path / "void").mkdir()
    assert mentions(refused(home, *demo_arguments(tmp_path / "void", tmp_path / "run")), "void")


def test_photos_without_a_class(home, photos):
    assert mentions(refused(home, "--photos", str(photos)), "--class")


def test_a_model_folder_without_a_unet(home, photos, tmp_path):
    from dreamboot.launching.trainer import trainer_source

    model = tmp_path / "model"
    shutil.copytree(trainer_source() / "demo" / "model", model)
    shutil.rmtree(model / "unet")
    arguments = (
        "--photos",
        str(photos),
        "--class",
        "monster",
        "--model",
        str(model),
        "--output",
        str(tmp_path / "run"),
    )
    assert mentions(refused(home, *arguments), "unet")


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


def test_a_checkpoint_that_hides_a_program(home, photos, tmp_path):
    marker, checkpoint = tmp_path / "ran", tmp_path / "model.ckpt"
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"state_dict": _Evil(marker)}, protocol=2))
        archive.writestr("archive/version", "3\n")
    checkpoint.write_bytes(body.getvalue())
    arguments = ("--photos", str(photos), "--class", "monster", "--model", str(checkpoint))
    problem = refused(home, *arguments, "--output", str(tmp_path / "run"))
    assert mentions(problem, "model.ckpt"), problem
    assert not marker.exists()
    assert checkpoint.read_bytes() == body.getvalue()


def test_an_output_that_can_not_be_written(home, photos, tmp_path):
    (tmp_path / "file").write_text("")
    problem = refused(home, *demo_arguments(photos, tmp_path / "file" / "run"))
    assert mentions(problem, "file"), problem


def test_an_unknown_setting_names_the_nearest(home, photos, tmp_path):
    problem = refused(home, *demo_arguments(photos, tmp_path / "run"), "--set", "learning_rat=1e-5")
    assert mentions(problem, "learning_rate"), problem


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounts and network namespaces need root on Linux")
class TestAsRoot:
    """What only a namespace of its own can show."""

    def inside(self, script: str, *options: str, home: Path, arguments: tuple[str, ...]) -> dict[str, str]:
        """Run `script` (a mount, say) and then dreamboot, in new namespaces."""
        words = command(home, *arguments)
        done = subprocess.run(
            ["unshare", "--mount", *options, "sh", "-c", f'{script}; shift 0; exec "$@"', "sh", *words],
            capture_output=True, text=True, timeout=600, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.stderr.startswith(("unshare:", "mount:")):
            pytest.skip(f"no namespace of its own here: {done.stderr.strip()}")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)["problem"]

    def test_a_full_disk(self, home, tmp_path):
        """A home of 400 MB, with the tool's environment in it already: refused before the first byte of torch."""
        small = tmp_path / "small"
        small.mkdir()
        script = f"mount -t tmpfs -o size=400m tmpfs '{small}' && cp -a '{home / 'tool'}' '{small}'"
        problem = self.inside(script, home=small, arguments=("build", "--yes", "--json"))
        assert problem["id"] == "disk-space", problem
        assert mentions(problem, "GB")

    def test_a_read_only_home(self, home):
        problem = self.inside(
            f"mount --bind '{home}' '{home}' && mount -o remount,ro,bind '{home}'", home=home,
            arguments=("build", "--yes", "--json", "--pin", "peft==0.21.1"),
        )  # fmt: skip
        assert problem["id"] == "cannot-write", problem

    def test_no_network(self, home, tmp_path):
        fresh = tmp_path / "fresh"
        shutil.copytree(home / "tool", fresh / "tool", symlinks=True)
        problem = self.inside("true", "--net", home=fresh, arguments=("build", "--yes", "--json"))
        assert problem["id"] == "index-unreachable", problem
        assert not list((fresh / "envs").glob("*/current"))
