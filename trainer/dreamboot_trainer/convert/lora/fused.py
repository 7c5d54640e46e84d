"""LoRA files of SD 3.x and FLUX.1: kohya's names are the original model's, whose layers hold several of diffusers'.

Query, key and value are one layer there (and in FLUX.1's single blocks the MLP's first too). The adapters of n such
layers become one of n times the rank: the down matrices under each other, the up matrices along a diagonal, the
strength times n. The change to the weights is the same, number for number. Sources of the names: kohya-ss/sd-scripts
networks/convert_flux_lora.py and networks/lora_sd3.py; ComfyUI comfy/utils.py (mmdit_to_diffusers,
flux_to_diffusers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamboot_trainer.convert.catalogue import Located, read_json
from dreamboot_trainer.convert.faults import mixed_lora, unknown_lora_layers
from dreamboot_trainer.convert.lora.adapter import Adapter
from dreamboot_trainer.convert.numbers import SIZES

CLASSES = {"SD3Transformer2DModel": "sd3", "FluxTransformer2DModel": "flux"}
_QKV, _ADDED = ("attn.to_q", "attn.to_k", "attn.to_v"), ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")
_Rows = tuple[tuple[str, tuple[str, ...]], ...]
_SD3: _Rows = (
    ("x_block_attn_qkv", _QKV), ("x_block_attn_proj", ("attn.to_out.0",)),
    ("x_block_attn2_qkv", ("attn2.to_q", "attn2.to_k", "attn2.to_v")), ("x_block_attn2_proj", ("attn2.to_out.0",)),
    ("x_block_mlp_fc1", ("ff.net.0.proj",)), ("x_block_mlp_fc2", ("ff.net.2",)),
    ("x_block_adaLN_modulation_1", ("norm1.linear",)),
    ("context_block_attn_qkv", _ADDED), ("context_block_attn_proj", ("attn.to_add_out",)),
    ("context_block_mlp_fc1", ("ff_context.net.0.proj",)), ("context_block_mlp_fc2", ("ff_context.net.2",)),
    ("context_block_adaLN_modulation_1", ("norm1_context.linear",)),
)  # fmt: skip
_DOUBLE: _Rows = (
    ("img_attn_qkv", _QKV), ("img_attn_proj", ("attn.to_out.0",)),
    ("img_mlp_0", ("ff.net.0.proj",)), ("img_mlp_2", ("ff.net.2",)), ("img_mod_lin", ("norm1.linear",)),
    ("txt_attn_qkv", _ADDED), ("txt_attn_proj", ("attn.to_add_out",)),
    ("txt_mlp_0", ("ff_context.net.0.proj",)), ("txt_mlp_2", ("ff_context.net.2",)),
    ("txt_mod_lin", ("norm1_context.linear",)),
)  # fmt: skip
_SINGLE: _Rows = (
    ("linear1", (*_QKV, "proj_mlp")), ("linear2", ("proj_out",)), ("modulation_lin", ("norm.linear",)),
)  # fmt: skip
_BLOCKS: Mapping[str, tuple[tuple[str, str, _Rows], ...]] = {
    "sd3": (("joint_blocks", "transformer_blocks", _SD3),),
    "flux": (("double_blocks", "transformer_blocks", _DOUBLE), ("single_blocks", "single_transformer_blocks", _SINGLE)),
}
_MLP_RATIO = 4
"""Output of FLUX.1's `proj_mlp` over its input; the attention layers beside it have the ratio 1."""
_KOHYA = re.compile(r"lora_unet_(joint_blocks|double_blocks|single_blocks)_(\d+)_(\w+)$")
_DIFFUSERS = re.compile(r"transformer\.(transformer_blocks|single_transformer_blocks)\.(\d+)\.(.+)$")


@dataclass(frozen=True)
class Matrix:
    """An adapter whose matrices are made, not copied: the bytes of `down` [rank, in] and `up` [out, rank]."""

    dtype: str
    down: bytes
    up: bytes
    shapes: tuple[tuple[int, int], tuple[int, int]]
    alpha: float
    magnitude: None = None

    @property
    def rank(self) -> int:
        """The inner size of the two matrices."""
        return self.shapes[0][0]


def family_of(names: Iterable[str], config_dir: Path | None) -> str | None:
    """sd3 or flux where the tensor names are of a transformer; None for a UNet's."""
    layers = (name.split(".lora_")[0] for name in names)
    found = [match for name in layers if (match := _KOHYA.match(name) or _DIFFUSERS.match(name))]
    if not found:
        return None
    if config_dir is not None and (Path(config_dir) / "transformer").is_dir():
        name = str(read_json(Path(config_dir) / "transformer" / "config.json").get("_class_name"))
        return CLASSES.get(name)
    blocks = {match[1] for match in found}
    return "flux" if blocks & {"double_blocks", "single_blocks", "single_transformer_blocks"} else "sd3"


def fuse(path: Path, family: str, adapters: Mapping[str, Adapter]) -> dict[str, Matrix]:
    """kohya's layer -> its one adapter, of diffusers' adapters (dotted names with `transformer.` in front)."""
    groups: dict[str, dict[str, Adapter]] = {}
    unknown = []
    for name, adapter in adapters.items():
        place = _to_kohya(family, name)
        if place is None:
            unknown.append(name)
        else:
            groups.setdefault(place, {})[_member(name)] = adapter
    if unknown:
        raise unknown_lora_layers(path, sorted(unknown))
    return {name: _fused(path, name, _members(family, name), found) for name, found in groups.items()}


def split(path: Path, family: str, adapters: Mapping[str, Adapter]) -> dict[str, Matrix]:
    """diffusers' layer -> its adapter, of kohya's. An MLP without an own part in its block's layer is left out."""
    found: dict[str, Matrix] = {}
    unknown = [name for name in adapters if not _members(family, name)]
    if unknown:
        raise unknown_lora_layers(path, sorted(unknown))
    for name, adapter in adapters.items():
        match = _KOHYA.match(name)
        assert match is not None  # noqa: S101 - it has members
        block = next(theirs for ours, theirs, _ in _BLOCKS[family] if ours == match[1])
        for member, matrix in zip(_members(family, name), _parts(_members(family, name), adapter), strict=True):
            if member != "proj_mlp" or any(matrix.up):
                found[f"transformer.{block}.{match[2]}.{member}"] = matrix
    return found


def _to_kohya(family: str, name: str) -> str | None:
    match = _DIFFUSERS.match(name)
    for kohya, block, rows in _BLOCKS[family]:
        for layer, members in rows:
            if match and match[1] == block and match[3] in members:
                return f"lora_unet_{kohya}_{match[2]}_{layer}"
    return None


def _member(name: str) -> str:
    match = _DIFFUSERS.match(name)
    return match[3] if match else name


def _members(family: str, kohya: str) -> tuple[str, ...]:
    match = _KOHYA.match(kohya)
    rows = next((rows for block, _, rows in _BLOCKS[family] if match and block == match[1]), ())
    return next((members for layer, members in rows if match and layer == match[3]), ())


def _fused(path: Path, name: str, members: Sequence[str], found: Mapping[str, Adapter]) -> Matrix:
    """Members that have no adapter get zeros, so that every row of the fused layer has its place."""
    first = next(iter(found.values()))
    rank, width, dtype, scale = first.rank, first.down.info.shape[1], first.down.info.dtype, first.alpha / first.rank
    alike = {(a.rank, a.down.info.shape[1], a.down.info.dtype, a.up.info.dtype, a.alpha) for a in found.values()}
    if alike != {(rank, width, dtype, dtype, first.alpha)} or any(a.magnitude is not None for a in found.values()):
        raise mixed_lora(path, name)
    size = SIZES[dtype]
    down, up, outputs = bytearray(), bytearray(), 0
    for index, member in enumerate(members):
        adapter = found.get(member)
        rows = adapter.up.info.shape[0] if adapter else width * (_MLP_RATIO if member == "proj_mlp" else 1)
        matrix = _bytes(adapter.up) if adapter else bytes(rows * rank * size)
        down += _bytes(adapter.down) if adapter else bytes(rank * width * size)
        before, after = bytes(index * rank * size), bytes((len(members) - 1 - index) * rank * size)
        for row in range(rows):
            up += before + matrix[row * rank * size : (row + 1) * rank * size] + after
        outputs += rows
    whole = rank * len(members)
    return Matrix(dtype, bytes(down), bytes(up), ((whole, width), (outputs, whole)), scale * whole)


def _parts(members: Sequence[str], adapter: Adapter) -> Iterator[Matrix]:
    """The adapter of each member: its own block where the up matrix is a diagonal of blocks, else its rows of all."""
    (rank, width), outputs = adapter.down.info.shape, adapter.up.info.shape[0]
    dtype, size, count = adapter.down.info.dtype, SIZES[adapter.down.info.dtype], len(members)
    ratios = [_MLP_RATIO if member == "proj_mlp" else 1 for member in members]
    down, up = _bytes(adapter.down), _bytes(adapter.up)
    rows = [outputs * ratio // sum(ratios) for ratio in ratios]
    starts = [sum(rows[:index]) for index in range(count)]
    step = rank * size
    own = step // count
    block = rank % count == 0 and not any(
        any(up[row * step : row * step + index * own]) or any(up[row * step + (index + 1) * own : (row + 1) * step])
        for index in range(count)
        for row in range(starts[index], starts[index] + rows[index])
    )
    for index in range(count):
        mine = up[starts[index] * step : (starts[index] + rows[index]) * step]
        if not block:
            yield Matrix(dtype, down, mine, ((rank, width), (rows[index], rank)), adapter.alpha)
            continue
        less = rank // count
        cut = b"".join(mine[row * step + index * own : row * step + (index + 1) * own] for row in range(rows[index]))
        part = down[index * less * width * size : (index + 1) * less * width * size]
        yield Matrix(dtype, part, cut, ((less, width), (rows[index], less)), adapter.alpha / count)


def _bytes(place: Located) -> bytes:
    chunks = place.source.chunks(place.name, 0, place.info.nbytes)
    return b"".join(bytes(chunk) for chunk in chunks)
