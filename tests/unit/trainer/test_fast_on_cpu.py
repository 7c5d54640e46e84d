"""What makes a step on a CPU faster and nothing else: the same numbers, the same memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
processors = pytest.importorskip("diffusers.models.attention_processor")

from dreamboot_trainer import backend, narrow_heads  # noqa: E402

pytestmark = pytest.mark.trainer

TRAINER = Path(__file__).resolve().parents[3] / "trainer"


def with_gradients(layer: Any, states: Any, context: Any, mask: Any) -> list[Any]:
    """The layer's answer, and the gradients of its inputs and weights."""
    layer.zero_grad()
    inputs = [part.clone().requires_grad_() for part in (states, context) if part is not None]
    words = inputs[1] if context is not None else None
    answer = layer(inputs[0], encoder_hidden_states=words, attention_mask=mask)
    answer.square().sum().backward()
    return [answer.detach(), *(part.grad for part in inputs), *(weight.grad for weight in layer.parameters())]


@pytest.mark.parametrize("tokens", [4, 81])
@pytest.mark.parametrize("words", [0, 77])
@pytest.mark.parametrize("masked", [False, True])
def test_narrow_heads_give_what_diffusers_gives(tokens: int, words: int, *, masked: bool) -> None:
    torch.manual_seed(0)
    layer = processors.Attention(query_dim=24, heads=4, dim_head=6, cross_attention_dim=20 if words else None)
    assert narrow_heads.is_narrow(layer)
    states, context = torch.randn(2, tokens, 24), torch.randn(2, words, 20) if words else None
    mask = torch.randn(2, 1, words or tokens) if masked else None
    layer.set_processor(processors.AttnProcessor2_0())
    wanted = with_gradients(layer, states, context, mask)
    layer.set_processor(narrow_heads.NarrowHeadsProcessor())
    for ours, theirs in zip(with_gradients(layer, states, context, mask), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_only_narrow_heads_are_filled_up(tiny: Path) -> None:
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel.from_pretrained(tiny, subfolder="unet")
    backend.set_attention(network, "sdpa")
    layers = [layer for layer in network.modules() if isinstance(layer, processors.Attention)]
    narrow = [isinstance(layer.processor, narrow_heads.NarrowHeadsProcessor) for layer in layers]
    assert narrow == [layer.inner_dim // layer.heads < 16 for layer in layers]
    assert any(narrow)
    backend.set_attention(network, "naive")
    assert {type(layer.processor) for layer in layers} == {processors.AttnProcessor}


@pytest.mark.parametrize(
    "options",
    [{"dim_head": 16}, {"dim_head": 6, "norm_num_groups": 4}, {"dim_head": 6, "residual_connection": True},
     {"dim_head": 6, "rescale_output_factor": 2.0}, {"dim_head": 6, "qk_norm": "layer_norm"}],
)  # fmt: skip
def test_other_layers_stay_as_they_are(options: dict[str, Any]) -> None:
    assert not narrow_heads.is_narrow(processors.Attention(query_dim=24, heads=4, **options))


FAULTS = """
import ctypes, resource
from dreamboot_trainer import heap
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
def step():
    blocks = [library.malloc(2**20) for _ in range(64)]
    for block in blocks:
        library.memset(block, 1, 2**20)
    for block in blocks:
        library.free(block)
def faults():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults())
with heap.kept():
    print(faults())
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's memory")
def test_memory_of_a_step_is_kept_for_the_next_and_given_back_after_the_last() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env={"PYTHONPATH": str(TRAINER)}, capture_output=True, text=True, check=True
    )
    before, inside, after = map(int, done.stdout.split())
    # 64 MiB are 16384 pages of 4 KiB, or 32 of 2 MiB.
    assert inside < 8 < min(before, after)
