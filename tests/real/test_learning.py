"""Does it learn, and does prior preservation protect the class? Measured against controls.

One seed takes five minutes on a core. More of them (DREAMBOOT_TEST_SEEDS=3) also say how large the effect is.

The judge, the scores and what they can not show are explained in docs/explanation/demo-model.md. The base model is the
control for learning; training without prior preservation is the control for protection. Everything else is the demo's
own recipe.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.trainer]

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(int(os.environ.get("DREAMBOOT_TEST_SEEDS", "1")))
SAMPLES = 16


def train(folder: Path, seed: int, classes: Path, *, prior: bool) -> Path:
    """The demo's recipe with one seed; returns the model's folder."""
    from dreamboot.app.up import demo_recipe

    settings = {**demo_recipe(), "seed": seed, "with_prior_preservation": prior, "class_data_dir": classes,
                "num_validation_images": 0, "save_original": False, "output_dir": folder}  # fmt: skip
    words = [f"{key}={str(item).lower() if isinstance(item, bool) else item}" for key, item in settings.items()]
    command = [
        sys.executable,
        "-m",
        "dreamboot_trainer",
        "train",
        *(part for word in words for part in ("--set", word)),
    ]
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "trainer"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return folder / "model"


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Scores of the base, and of (seed, prior) → scores after training."""
    from dreamboot_trainer import demo
    from dreamboot_trainer.demo import learning

    folder = tmp_path_factory.mktemp("learning")
    subject, base = learning.subject_features(), learning.features_of(demo.MODEL_DIR, demo.CLASS_PROMPT, SAMPLES)

    def score(model: Path) -> learning.Scores:
        instance, plain = (
            learning.features_of(model, prompt, SAMPLES) for prompt in (demo.INSTANCE_PROMPT, demo.CLASS_PROMPT)
        )
        return learning.from_features(instance, plain, base, subject)

    found = {"base": score(demo.MODEL_DIR)}
    for seed in SEEDS:
        for prior in (True, False):
            model = train(folder / f"{seed}-{prior}", seed, folder / "classes", prior=prior)
            found[seed, prior] = score(model)
            print(seed, prior, found[seed, prior])
    return found


def effect(differences: list[float]) -> float:
    """Cohen's d of paired differences: mean over standard deviation. Of one difference nothing is known."""
    return statistics.mean(differences) / (statistics.stdev(differences) or 1e-9) if len(differences) > 1 else math.inf


def test_the_subject_is_learnt(scores):
    gains = [scores[seed, True].subject - scores["base"].subject for seed in SEEDS]
    print("gain in similarity to held-back pictures:", gains, "effect size:", effect(gains))
    assert min(gains) > 0.1
    assert effect(gains) > 2


def test_prior_preservation_protects_the_class(scores):
    protected = [scores[seed, True].kept - scores[seed, False].kept for seed in SEEDS]
    leaks = [scores[seed, False].leak - scores[seed, True].leak for seed in SEEDS]
    print("class kept closer to the base by:", protected, "effect size:", effect(protected))
    print("less leak of the subject into the class by:", leaks, "effect size:", effect(leaks))
    assert min(protected) > 0
    assert min(leaks) > 0
    assert effect(leaks) > 1
