"""The subject's pictures come from the drawing script, and no two poses are the same."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from dreamboot_trainer import demo  # noqa: E402
from dreamboot_trainer.demo.subject import draw  # noqa: E402


@pytest.mark.parametrize(
    ("folder", "pose"),
    [(demo.PHOTOS_DIR, draw.PHOTOS[1]), (demo.HELD_BACK_DIR, draw.HELD_BACK[2])],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_shipped_picture_is_what_the_script_draws(folder, pose):
    shipped = np.asarray(Image.open(folder / f"{pose.name}.png").convert("RGB"), np.int16)
    drawn = np.asarray(draw.draw(pose), np.int16)
    # Other Pillow versions may round an edge differently.
    assert np.abs(shipped - drawn).mean() < 0.5


def test_every_pose_is_shipped():
    for folder, poses in ((demo.PHOTOS_DIR, draw.PHOTOS), (demo.HELD_BACK_DIR, draw.HELD_BACK)):
        assert {file.stem for file in folder.glob("*.png")} == {pose.name for pose in poses}


def test_held_back_poses_are_not_among_the_photos():
    import dataclasses

    def geometry(pose):
        return dataclasses.replace(pose, name="", back=(0, 0, 0))

    assert not {geometry(pose) for pose in draw.PHOTOS} & {geometry(pose) for pose in draw.HELD_BACK}
