"""What TensorBoard is really told, read back by its own reader."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from support.training import configure, train

pytestmark = pytest.mark.trainer


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_shows_the_numbers_of_every_step(tiny: Path, photos: Path, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = train(configure(tiny, photos, report_to="tensorboard", lr_scheduler="cosine"), tmp_path / "run")
    told = {r["done"]: r["data"] for r in events if r["event"] == "progress" and r["stage"] == "train"}
    (file,) = (tmp_path / "run" / "logs").rglob("events.out.tfevents.*.0")
    found = reader.EventAccumulator(str(file))
    found.Reload()
    names = {"loss", "instance_loss", "prior_loss", "learning_rate", "gradient_norm", "seconds_per_step"}
    assert names <= set(found.Tags()["scalars"])
    for name in names:
        values = {each.step: each.value for each in found.Scalars(name)}
        assert values == pytest.approx({step: data[name] for step, data in told.items()}, rel=1e-5)
