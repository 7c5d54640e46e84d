"""Memory-efficient attention: equal to the plain formula in value and gradient, in memory that grows with N alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.trainer
torch = pytest.importorskip("torch")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from dreamboot_trainer.attention import MemoryEfficientProcessor, memory_efficient_attention  # noqa: E402
from dreamboot_trainer.problems import TrainerError  # noqa: E402
from support.training import configure, losses, train  # noqa: E402

# Of the plain formula in the same dtype, against itself in float64.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5, torch.bfloat16: 4e-2, torch.float16: 5e-3}


def naive(query: Any, key: Any, value: Any, mask: Any = None, causal: bool = False, scale: Any = None) -> Any:
    """The formula as it is written; rows that see nothing give zeros."""
    scores = query @ key.transpose(-1, -2) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    if causal:
        scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    blind = (scores == -math.inf).all(-1, keepdim=True)
    return scores.masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0) @ value


@st.composite
def problems(draw: Any) -> Any:
    """Shapes, dtypes, masks and block sizes, also ones that do not divide the lengths."""
    torch.manual_seed(draw(st.integers(0, 2**31)))
    n, m, d, e = (draw(st.integers(1, limit)) for limit in (33, 37, 9, 9))
    batch = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    dtype = draw(st.sampled_from(sorted(TOLERANCE, key=str)))
    # With large half-precision values the formula itself is off by more than these tolerances.
    size = draw(st.sampled_from((1.0, 8.0))) if dtype in (torch.float32, torch.float64) else 1.0
    tensors = [(torch.randn(*batch, *shape) * size).to(dtype) for shape in ((n, d), (m, d), (m, e))]
    kind = draw(st.sampled_from(("none", "bool", "row", "added")))
    mask = {
        "none": None,
        "bool": torch.rand(*batch, n, m) > 0.4,
        "row": torch.rand(1, m) > 0.4,
        "added": torch.randn(n, m).to(dtype),
    }[kind]
    options = {"causal": draw(st.booleans()), "scale": draw(st.sampled_from((None, 0.3)))}
    blocks = {"query_block": draw(st.integers(1, 40)), "key_block": draw(st.integers(1, 40))}
    return tensors, mask, options, blocks


@settings(max_examples=150, deadline=None)
@given(problems())
def test_equals_the_formula_in_value_and_gradient(problem: Any) -> None:
    tensors, mask, options, blocks = problem
    dtype = tensors[0].dtype
    exact_mask = mask if mask is None or mask.dtype == torch.bool else mask.double()
    weight = torch.randn(*tensors[0].shape[:-1], tensors[2].shape[-1]).to(dtype)
    got = with_gradients(memory_efficient_attention, tensors, weight, mask=mask, **options, **blocks)
    plain = with_gradients(naive, tensors, weight, mask=mask, **options)
    wanted = with_gradients(naive, [item.double() for item in tensors], weight.double(), mask=exact_mask, **options)
    for mine, theirs, exact in zip(got, plain, wanted):
        assert mine.dtype == dtype
        # Where values cancel, the formula in the same dtype is off by more than the tolerance, too.
        limit = TOLERANCE[dtype] * max(1.0, distance(exact, 0)) + 8 * distance(theirs, exact)
        # Gradients that cancel to nothing are sums of products of this size, each rounded.
        limit += torch.finfo(dtype).eps * math.prod(max(1.0, distance(item, 0)) for item in (*tensors, weight))
        assert distance(mine, exact) <= limit


def with_gradients(attend: Any, tensors: Any, weight: Any, **options: Any) -> Any:
    """The result, and the gradients of its weighted sum."""
    leaves = [item.clone().requires_grad_() for item in tensors]
    result = attend(*leaves, **options)
    return (result.detach(), *torch.autograd.grad(result, leaves, weight))


def distance(one: Any, other: Any) -> float:
    """Largest difference, in float64."""
    return float((one.double() - other).abs().max())


def test_gradients_by_finite_differences() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(2, rows, 4, dtype=torch.float64, requires_grad=True) for rows in (5, 7, 7)]
    mask = torch.rand(5, 7) > 0.3
    assert torch.autograd.gradcheck(
        lambda *parts: memory_efficient_attention(*parts, mask=mask, query_block=2, key_block=3), inputs
    )


def test_huge_scores_do_not_overflow() -> None:
    query = torch.full((1, 4, 8), 1e4)
    value = torch.randn(1, 6, 8)
    found = memory_efficient_attention(query, torch.full((1, 6, 8), 1e4), value, query_block=2, key_block=2)
    assert torch.allclose(found, value.mean(1, keepdim=True).expand_as(found), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": torch.zeros(1, 5, 3)}, "do not fit each other"),
        ({"value": torch.zeros(1, 4, 8)}, "do not fit each other"),
        ({"query": torch.zeros(1, 4, 8, dtype=torch.float64)}, "one floating dtype"),
        ({"query_block": 0}, "at least one row"),
        ({"mask": torch.zeros(4, 5, requires_grad=True)}, "no gradient"),
    ],
)
def test_what_does_not_fit_is_said(change: Any, said: str) -> None:
    given_ = {"query": torch.zeros(1, 4, 8), "key": torch.zeros(1, 5, 8), "value": torch.zeros(1, 5, 8), **change}
    with pytest.raises(ValueError, match=said):
        memory_efficient_attention(**given_)


def test_autocast_changes_nothing() -> None:
    torch.manual_seed(1)
    parts = [torch.randn(2, 20, 8) for _ in range(3)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = memory_efficient_attention(*parts)
    assert torch.equal(found, memory_efficient_attention(*parts))


def peak_bytes(attend: Any, tokens: int) -> int:
    """Most bytes that torch's allocator held at once, beyond inputs, through forward and backward."""
    inputs = [torch.randn(2, tokens, 16, requires_grad=True) for _ in range(3)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        attend(*inputs).sum().backward()
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def test_peak_memory_grows_with_the_tokens_not_with_their_square() -> None:
    sizes = (512, 2048)
    ours = [peak_bytes(lambda *x: memory_efficient_attention(*x, query_block=128, key_block=128), n) for n in sizes]
    plain = [peak_bytes(naive, n) for n in sizes]
    assert plain[1] > 12 * plain[0]  # sixteen-fold scores
    assert ours[1] < 4.5 * ours[0]  # four-fold inputs, results and gradients; blocks of one size
    assert ours[1] * 20 < plain[1]
    # What is held beyond results and gradients (6 x tokens x 16 float32 values, two heads) stays below sqrt growth.
    extra = [peak - 6 * 2 * n * 16 * 4 for peak, n in zip(ours, sizes)]
    assert extra[1] <= 2 * extra[0]


def test_processor_equals_the_one_of_diffusers() -> None:
    processors = pytest.importorskip("diffusers.models.attention_processor")
    torch.manual_seed(2)
    settings_ = [
        {"query_dim": 16, "heads": 4, "dim_head": 8},
        {"query_dim": 16, "heads": 2, "dim_head": 8, "cross_attention_dim": 12, "norm_num_groups": 4},
        {"query_dim": 16, "heads": 1, "dim_head": 16, "norm_num_groups": 4, "residual_connection": True, "bias": True},
    ]
    for config in settings_:
        attention = processors.Attention(**config)
        states = torch.randn(2, 16, 6, 6) if config["heads"] == 1 else torch.randn(2, 36, 16)
        context = torch.randn(2, 9, 12) if "cross_attention_dim" in config else None
        attention.set_processor(processors.AttnProcessor())
        wanted = attention(states, encoder_hidden_states=context)
        attention.set_processor(MemoryEfficientProcessor())
        assert torch.allclose(attention(states, encoder_hidden_states=context), wanted, atol=1e-5)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_our_own_attention_is_what_the_network_runs(
    tiny: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Every attention layer of the UNet calls it once in every step; with checkpointing once more on the way back."""
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import Attention

    from dreamboot_trainer import attention

    layers = sum(isinstance(part, Attention) for part in UNet2DConditionModel.from_pretrained(tiny / "unet").modules())
    assert layers > 1
    calls: list[torch.Size] = []
    real = attention.memory_efficient_attention

    def counted(query: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        calls.append(query.shape)
        return real(query, *rest, **options)

    monkeypatch.setattr(attention, "memory_efficient_attention", counted)
    options = {"method": method, "with_prior_preservation": False, "max_train_steps": 3}
    own = losses(train(configure(tiny, photos, attention="memory_efficient", **options), tmp_path / "own"))
    assert len(calls) == 3 * layers
    calls.clear()
    again = configure(tiny, photos, attention="memory_efficient", gradient_checkpointing=True, **options)
    assert losses(train(again, tmp_path / "again")) == pytest.approx(own, rel=1e-5)
    assert len(calls) == 2 * 3 * layers
    calls.clear()
    fused = losses(train(configure(tiny, photos, attention="sdpa", **options), tmp_path / "fused"))
    assert not calls
    assert own == pytest.approx(fused, rel=1e-4)


@pytest.mark.parametrize("attention", ["naive", "memory_efficient"])
def test_every_attention_gives_the_same_losses(tiny: Path, photos: Path, tmp_path: Path, attention: str) -> None:
    fused = losses(train(configure(tiny, photos, attention="sdpa"), tmp_path / "a"))
    other = losses(train(configure(tiny, photos, attention=attention), tmp_path / "b"))
    assert list(other.values()) == pytest.approx(list(fused.values()), rel=1e-3)


def test_missing_xformers_is_a_problem(tiny: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError) as caught:
        train(configure(tiny, photos, attention="xformers"), tmp_path / "run")
    assert caught.value.problem.id == "xformers-missing"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("naive", {"AttnProcessor"}),
        ("memory_efficient", {"MemoryEfficientProcessor"}),
        ("sdpa", {"NarrowHeadsProcessor"}),
    ],
)
def test_every_layer_has_the_implementation_that_was_named(tiny: Path, name: str, kinds: set[str]) -> None:
    """The miniature's heads are narrow, for which a CPU has a faster way around torch's fused attention."""
    from diffusers import UNet2DConditionModel

    from dreamboot_trainer.backend import set_attention

    unet = UNet2DConditionModel.from_pretrained(tiny / "unet")
    set_attention(unet, name)
    assert {type(each).__name__ for each in unet.attn_processors.values()} == kinds
