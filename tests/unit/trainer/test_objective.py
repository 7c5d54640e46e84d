"""What a step of SD 1.x and 2.x minimises, written again from the papers: value and gradient."""

# ruff: noqa: E402 - the imports need torch, which not every environment has

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer import losses, noise, pipeline
from dreamboot_trainer.data.batches import Batches
from dreamboot_trainer.data.items import Item
from dreamboot_trainer.data.order import Layout, Order
from dreamboot_trainer.data.sources import Cached, Encoded
from dreamboot_trainer.families import family_of
from dreamboot_trainer.model_folder import read_folder
from dreamboot_trainer.trainable import Trainable
from support.tiny_sd import build_sd1

pytestmark = pytest.mark.trainer
CPU = torch.device("cpu")
PRIOR_WEIGHT, OFFSET, GAMMA = 0.7, 0.3, 2.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Noise prediction as in SD 1.5, velocity prediction as in SD 2.1."""
    place = tmp_path_factory.mktemp("objective")
    folders = {
        "epsilon": build_sd1(place / "sd1"),
        "v": build_sd1(place / "sd2", v_prediction=True, linear=True),
    }
    return {name: loaded(folder) for name, folder in folders.items()}


def loaded(folder: Path) -> Any:
    found = read_folder(folder)
    return pipeline.load(family_of(found), found, None, CPU)


def source(stream: str, count: int) -> Cached:
    views = [
        (
            Encoded(
                noise.gaussian((4, 8, 8), stream, i, "mean"),
                noise.gaussian((4, 8, 8), stream, i, "std").abs(),
                (64, 64, 0, 0, 64, 64),
            ),
        )
        for i in range(count)
    ]
    items = [Item(path=Path(f"{stream}{i}.png"), prompt=f"a {stream}") for i in range(count)]
    return Cached(items, views)


def batches(model: Any, sources: dict[str, Cached], **options: float) -> Batches:
    prompts = ["a instance", "a class"]
    return Batches(
        family=model.family, schedule=model.schedule, instance=sources["instance"], prior=sources["class"],
        text=model.embed(prompts), rows={prompt: row for row, prompt in enumerate(prompts)},
        layout=Layout(batch=2, accumulation=1, processes=1), seed=0, device=CPU, **options,
    )  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"noise_offset": OFFSET}, {"snr_gamma": GAMMA}], ids=str)
@pytest.mark.parametrize("kind", ["epsilon", "v"])
def test_the_objective_is_the_papers(models: dict[str, Any], kind: str, options: dict[str, float]) -> None:
    """DDPM (Ho et al. 2020, equations 4 and 14), v (Salimans & Ho 2022), the prior (Ruiz et al. 2022, equation 2),
    min-SNR (Hang et al. 2023), offset noise (Guttenberg 2023): a draw of its own for each channel.
    """
    model, sources = models[kind], {"instance": source("instance", 3), "class": source("class", 4)}
    (batch,) = batches(model, sources, **options).at(1, 0, 0)
    trainable = Trainable(model.family, model.denoiser)
    weight = next(w for n, w in model.denoiser.named_parameters() if n.endswith("attn2.to_q.weight"))
    weight.requires_grad_(requires_grad=True)
    answer = trainable(batch.noisy, batch.timesteps, batch.text, batch.sizes)
    each = losses.per_sample(answer, batch.target, batch.weights)
    mine = losses.combine(each, batch.instances, PRIOR_WEIGHT).total
    (gradient,) = torch.autograd.grad(mine, weight)

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    products = torch.cumprod(1 - betas, 0).float()
    sums = {}
    for stream, found in sources.items():
        sums[stream] = torch.zeros(())
        for place in (2, 3):
            index = Order(seed=0, stream=stream, count=len(found.items)).at(place)
            names = (0, stream, place)
            (view,) = found._views[index]
            x = view.mean + view.std * noise.gaussian((4, 8, 8), *names, "posterior")
            e = noise.gaussian((4, 8, 8), *names, "noise")
            e = e + options.get("noise_offset", 0) * noise.gaussian((4, 1, 1), *names, "noise offset")
            t = noise.below(1000, *names, "timestep")
            a = products[t]
            z = a.sqrt() * x + (1 - a).sqrt() * e
            goal = e if kind == "epsilon" else a.sqrt() * e - (1 - a).sqrt() * x
            words = model.embed([f"a {stream}"])["hidden"]
            guess = model.denoiser(z[None], torch.tensor([t]), words, return_dict=False)[0][0]
            share = 1.0
            if "snr_gamma" in options:
                ratio = a / (1 - a)
                share = min(ratio, torch.tensor(GAMMA)) / (ratio if kind == "epsilon" else ratio + 1)
            sums[stream] = sums[stream] + share * ((guess - goal) ** 2).mean() / 2
    total = sums["instance"] + PRIOR_WEIGHT * sums["class"]
    (expected,) = torch.autograd.grad(total, weight)
    assert mine.item() == pytest.approx(total.item(), rel=1e-4)
    assert torch.allclose(gradient, expected, rtol=1e-3, atol=1e-7)


def test_both_means_have_their_gradient_whatever_their_numbers() -> None:
    each = torch.tensor([1.0, 2.0, 3.0, 5.0, 9.0], requires_grad=True)
    found = losses.combine(each, 2, 0.5)
    found.total.backward()
    assert found.total.item() == pytest.approx(1.5 + 0.5 * 17 / 3)
    assert each.grad is not None
    assert each.grad.tolist() == pytest.approx([0.5, 0.5, 0.5 / 3, 0.5 / 3, 0.5 / 3])
