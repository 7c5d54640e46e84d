"""Exact attention in plain PyTorch whose extra memory does not grow with the number of queries times keys.

The softmax is computed online over blocks of keys: a running maximum, a running sum and a running result per query
(Rabe and Staats 2021, arXiv 2112.05682; Dao et al. 2022, arXiv 2205.14135). The backward pass computes the blocks
again from the kept log-sum-exp, so that nothing of the size queries x keys is ever stored. Slower than a fused kernel:
it is for where torch has none (torch < 2.0). Runs on Python 3.8 and torch 1.12 on, because a patch carries this file.
"""

from __future__ import annotations

import math
from typing import Any, Iterator, Optional, Tuple

import torch
from torch import Tensor

QUERY_BLOCK = 512
KEY_BLOCK = 1024
"""512 x 1024 float32 scores are 2 MiB per head, where 4096 x 4096 (512 px images) would be 64 MiB."""


def memory_efficient_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Optional[Tensor] = None, causal: bool = False,
    scale: Optional[float] = None, query_block: int = QUERY_BLOCK, key_block: int = KEY_BLOCK,
) -> Tensor:  # fmt: skip
    """softmax(query key^T scale + mask) value, computed block by block.

    query: (..., N, D), key: (..., M, D), value: (..., M, E), of one floating dtype; returns (..., N, E). `mask`
    broadcasts to (..., N, M): bool (True = may attend) or added to the scores; it gets no gradient. `causal`: query i
    sees keys 0..i. `scale` is 1/sqrt(D) unless given. A query that may see nothing gets zeros. Raises `ValueError`
    when shapes, dtypes or block sizes do not fit, or `mask` wants a gradient.
    """
    _check(query, key, value, mask, min(query_block, key_block))
    scale = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    batch, n, m = query.shape[:-2], query.shape[-2], key.shape[-2]
    heads = batch.numel()
    if mask is not None:
        mask = mask.expand(*batch, n, m)
    flat = [item.reshape(heads, *item.shape[-2:]) for item in (query, key, value)]
    attend: Any = _Attention.apply
    result: Tensor = attend(*flat, mask, causal, scale, query_block, key_block)
    return result.reshape(*batch, n, value.shape[-1])


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Optional[Tensor], block: int) -> None:
    if query.shape[:-2] != key.shape[:-2] or key.shape[:-1] != value.shape[:-1] or query.shape[-1] != key.shape[-1]:
        shapes = f"{tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)}"
        raise ValueError(f"query, key and value do not fit each other: {shapes}")
    if not query.dtype == key.dtype == value.dtype or not query.dtype.is_floating_point:
        raise ValueError(f"expected one floating dtype, found {query.dtype}, {key.dtype}, {value.dtype}")
    if block < 1:
        raise ValueError(f"blocks hold at least one row, found {block}")
    if mask is not None and mask.requires_grad:
        raise ValueError("the mask gets no gradient here")


class _Blocks:
    """One attention's scores, block by block, in the precision of the sums: float32, or float64 for float64 input."""

    def __init__(
        self, query: Tensor, key: Tensor, mask: Optional[Tensor], causal: bool, scale: float, query_block: int,
        key_block: int,
    ) -> None:  # fmt: skip
        self.query, self.key, self.mask = query, key, mask
        self.causal, self.scale = causal, scale
        self.query_block, self.key_block = query_block, key_block
        self.precise = torch.float64 if query.dtype == torch.float64 else torch.float32
        # Products in the input's own dtype run on matrix units; a CPU has none for half precision.
        self.product = self.precise if query.device.type == "cpu" else query.dtype

    def rows(self) -> Iterator[slice]:
        """The blocks of queries."""
        return _slices(self.query.shape[1], self.query_block)

    def columns(self, rows: slice) -> Iterator[slice]:
        """The blocks of keys that a block of queries may see."""
        seen = min(self.key.shape[1], rows.stop) if self.causal else self.key.shape[1]
        return _slices(seen, self.key_block)

    def scores(self, rows: slice, columns: slice) -> Tensor:
        """(heads, rows, columns) of scaled and masked scores."""
        scaled = (self.query[:, rows].to(self.precise) * self.scale).to(self.product)
        scores = (scaled @ self.key[:, columns].to(self.product).transpose(1, 2)).to(self.precise)
        if self.mask is not None:
            block = self.mask[..., rows, columns].reshape(scores.shape)
            if block.dtype == torch.bool:
                scores.masked_fill_(~block, -math.inf)
            else:
                scores += block
        if self.causal and columns.stop > rows.start + 1:
            i = torch.arange(rows.start, rows.stop, device=scores.device)[:, None]
            j = torch.arange(columns.start, columns.stop, device=scores.device)
            scores.masked_fill_(j > i, -math.inf)
        return scores


def _slices(length: int, block: int) -> Iterator[slice]:
    return (slice(at, min(at + block, length)) for at in range(0, length, block))


def _finite(maximum: Tensor) -> Tensor:
    """Rows that see nothing have the maximum -inf, which must not meet another -inf."""
    return maximum.masked_fill(maximum == -math.inf, 0.0)


class _Attention(torch.autograd.Function):
    """query, key, value: (heads, rows, width). Keeps them, the result and one log-sum-exp per query."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Optional[Tensor], causal: bool, scale: float,
        query_block: int, key_block: int,
    ) -> Tensor:  # fmt: skip
        with torch.autocast(query.device.type, enabled=False):
            blocks = _Blocks(query, key, mask, causal, scale, query_block, key_block)
            result, logsumexp = _forward(blocks, value)
        ctx.save_for_backward(query, key, value, mask, result, logsumexp)
        ctx.settings = (causal, scale, query_block, key_block)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tuple[Optional[Tensor], ...]:
        query, key, value, mask, result, logsumexp = ctx.saved_tensors
        with torch.autocast(query.device.type, enabled=False):
            blocks = _Blocks(query, key, mask, *ctx.settings)
            found = _backward(blocks, value, result, logsumexp, gradients[0])
        return (*found, None, None, None, None, None)


def _forward(blocks: _Blocks, value: Tensor) -> Tuple[Tensor, Tensor]:
    """(result, log-sum-exp per query in the precision of the sums)."""
    heads, n = blocks.query.shape[:2]
    result = value.new_empty(heads, n, value.shape[-1])
    logsumexp = torch.empty(heads, n, 1, dtype=blocks.precise, device=value.device)
    for rows in blocks.rows():
        shape = (heads, rows.stop - rows.start)
        total = torch.zeros(*shape, value.shape[-1], dtype=blocks.precise, device=value.device)
        norm = total.new_zeros(*shape, 1)
        maximum = total.new_full((*shape, 1), -math.inf)
        for columns in blocks.columns(rows):
            scores = blocks.scores(rows, columns)
            raised = torch.maximum(maximum, scores.amax(dim=-1, keepdim=True))
            weights = scores.sub_(_finite(raised)).exp_()
            shrink = torch.exp(maximum - _finite(raised))
            norm = norm * shrink + weights.sum(dim=-1, keepdim=True)
            total.mul_(shrink).add_(weights.to(blocks.product) @ value[:, columns].to(blocks.product))
            maximum = raised
        seen = norm > 0
        result[:, rows] = torch.where(seen, total / norm, torch.zeros_like(total)).to(result.dtype)
        # +inf for rows that see nothing: their weights are then exp(-inf) = 0 in the backward pass.
        logsumexp[:, rows] = torch.where(seen, maximum + norm.log(), torch.full_like(norm, math.inf))
    return result, logsumexp


def _backward(
    blocks: _Blocks, value: Tensor, result: Tensor, logsumexp: Tensor, gradient: Tensor
) -> Tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value (Dao et al. 2022, algorithm 4)."""
    grads = tuple(torch.zeros_like(item, dtype=blocks.precise) for item in (blocks.query, blocks.key, value))
    for rows in blocks.rows():
        out = gradient[:, rows].to(blocks.precise)
        # Sum over keys of weight times its gradient, without the weights: it equals result . gradient.
        mean = (result[:, rows].to(blocks.precise) * out).sum(dim=-1, keepdim=True)
        out = out.to(blocks.product)
        for columns in blocks.columns(rows):
            weights = blocks.scores(rows, columns).sub_(logsumexp[:, rows]).exp_()
            grads[2][:, columns] += weights.to(blocks.product).transpose(1, 2) @ out
            inner = (out @ value[:, columns].to(blocks.product).transpose(1, 2)).to(blocks.precise)
            slope = weights.mul_(inner.sub_(mean)).mul_(blocks.scale).to(blocks.product)
            grads[0][:, rows] += slope @ blocks.key[:, columns].to(blocks.product)
            grads[1][:, columns] += slope.transpose(1, 2) @ blocks.query[:, rows].to(blocks.product)
    return grads[0].to(value.dtype), grads[1].to(value.dtype), grads[2].to(value.dtype)


class MemoryEfficientProcessor:
    """The same as a diffusers attention processor (diffusers >= 0.14): for a torch without fused attention."""

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None, temb: Optional[Tensor] = None, *_: Any, **__: Any,
    ) -> Tensor:  # fmt: skip
        """What diffusers asks of a processor. hidden_states: (batch, tokens, width) or (batch, channels, y, x)."""
        residual, shape = hidden_states, hidden_states.shape
        if attn.spatial_norm is not None:
            hidden_states = attn.spatial_norm(hidden_states, temb)
        if len(shape) == 4:
            hidden_states = hidden_states.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            hidden_states = attn.group_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if encoder_hidden_states is not None and attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        mask = attn.prepare_attention_mask(attention_mask, context.shape[1], context.shape[0])
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key, value = (attn.head_to_batch_dim(layer(context)) for layer in (attn.to_k, attn.to_v))
        mixed = memory_efficient_attention(query, key, value, mask, scale=attn.scale)
        hidden_states = attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(mixed)))
        if len(shape) == 4:
            hidden_states = hidden_states.transpose(-1, -2).reshape(shape)
        if attn.residual_connection:
            hidden_states = hidden_states + residual
        result: Tensor = hidden_states / attn.rescale_output_factor
        return result
