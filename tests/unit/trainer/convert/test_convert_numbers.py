"""Casting by bytes equals torch's for every kind of number."""

from __future__ import annotations

import pytest
import torch

from dreamboot_trainer.convert.numbers import cast, transpose, wanted
from dreamboot_trainer.problems import TrainerError

TORCH = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


def raw(tensor):
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())


def tensor(data, dtype):
    return torch.frombuffer(bytearray(data), dtype=TORCH[dtype])


def every(dtype):
    """Every bit pattern of a 2-byte format; for float32 and float64 all exponents with random mantissas."""
    if dtype in ("F16", "BF16"):
        return torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(TORCH[dtype])
    bits = torch.randint(-(2**31), 2**31, (1 << 19,), generator=torch.Generator().manual_seed(0)).to(torch.int32)
    return bits.view(torch.float32).to(TORCH[dtype])


@pytest.mark.parametrize("source", TORCH)
@pytest.mark.parametrize("target", TORCH)
def test_every_number_becomes_what_torch_makes_of_it(source, target):
    values = every(source)
    expected = values.to(TORCH[target])
    if target == "F16":  # too large ones are refused, see below
        fits = ~(expected.isinf() & ~values.isinf())
        values, expected = values[fits], expected[fits]
    found = tensor(cast(raw(values), source, target, "x"), target)
    assert len(found) > 30_000
    assert torch.equal(found.isnan(), expected.isnan())
    assert raw(found[~found.isnan()]) == raw(expected[~expected.isnan()])


@pytest.mark.parametrize("value", [65520.0, -65520.0, 1e30])
def test_a_number_that_would_become_infinite_is_refused(value):
    with pytest.raises(TrainerError) as caught:
        cast(raw(torch.tensor([1.0, value])), "F32", "F16", "name")
    assert "name" in caught.value.problem.what
    cast(raw(torch.tensor([1.0, 65519.0, float("inf")])), "F32", "F16", "name")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.uint8])
def test_transposing_by_bytes(dtype):
    matrix = torch.arange(15).reshape(3, 5).to(dtype)
    formats = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.uint8: "U8"}
    assert transpose(raw(matrix), formats[dtype], 3, 5) == raw(matrix.T)


@pytest.mark.parametrize(
    ("found", "wish", "result"),
    [("F32", "keep", "F32"), ("F32", "fp16", "F16"), ("I64", "float16", "I64"), ("F8_E4M3", "float32", "F8_E4M3")],
)
def test_only_plain_floats_follow_a_wish(found, wish, result):
    assert wanted(found, wish) == result
