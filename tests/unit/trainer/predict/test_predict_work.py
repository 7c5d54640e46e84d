"""Operations counted on fake tensors against torch's own count of a real step."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from dreamboot_trainer.predict.prediction import configs_of
from dreamboot_trainer.predict.request import Request
from dreamboot_trainer.predict.work import OPTIMIZER, Operation, count

SMALL = Request(family="sd1", resolution=128, mixed_precision="no", attention="naive")


@pytest.fixture(scope="module")
def configs():
    """A UNet with SD 1.x's blocks and few channels."""
    real = configs_of("sd1")
    few = {"block_out_channels": [32, 64, 64, 64], "cross_attention_dim": 32, "norm_num_groups": 16}
    return {**real, "unet": {**real["unet"], **few, "layers_per_block": 1}}


def flops(operations):
    return sum(operation.flops for operation in operations if operation.kind != OPTIMIZER)


def test_it_counts_what_torch_counts_on_a_real_step(configs):
    import torch
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import AttnProcessor
    from torch.utils.flop_counter import FlopCounterMode

    unet = UNet2DConditionModel.from_config(dict(configs["unet"])).train()
    unet.set_attn_processor(AttnProcessor())
    with FlopCounterMode(display=False) as counter:
        made = unet(torch.randn(2, 4, 16, 16), torch.zeros(2, dtype=torch.int64), torch.randn(2, 77, 32)).sample
        made.pow(2).mean().backward()
    assert flops(count(SMALL, configs)) == counter.get_total_flops()


def test_fused_attention_is_two_products_forward_and_five_back(configs):
    """The naive way has two forward and four back; what flash attention computes again is a fifth (Dao et al. 2022)."""
    naive, fused = (count(replace(SMALL, attention=way), configs) for way in ("naive", "sdpa"))
    products = sum(o.flops for o in naive if o.kind == "matrix product")
    left = sum(o.flops for o in fused if o.kind == "matrix product")
    attention = sum(o.flops for o in fused if o.kind == "attention")
    assert attention * 6 == (products - left) * 7


def test_an_accumulated_step_does_the_work_twice_and_optimizes_once(configs):
    once, twice = (count(replace(SMALL, accumulation=times), configs) for times in (1, 2))
    assert flops(twice) == 2 * flops(once)
    assert [o for o in twice if o.kind == OPTIMIZER] == [o for o in once if o.kind == OPTIMIZER]


def test_the_slower_of_arithmetic_and_memory_decides():
    operation = Operation("matrix product", flops=100, traffic=10)
    assert operation.seconds(flops_per_second=50, bytes_per_second=100) == 2.0
    assert operation.seconds(flops_per_second=1000, bytes_per_second=1) == 10.0
