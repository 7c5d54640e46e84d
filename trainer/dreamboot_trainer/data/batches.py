"""Putting samples together: latents, noise, noise level and text for one forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dreamboot_trainer import noise
from dreamboot_trainer.data.buckets import BucketOrder
from dreamboot_trainer.data.order import Layout, Order
from dreamboot_trainer.data.sources import Names, Source
from dreamboot_trainer.families import Family, Levels


@dataclass(slots=True)
class Batch:
    """Samples of one shape. The first `instances` rows are instance photos, the others class images.

    noisy, target [B, C, h, w]; timesteps [B]; text: rows by name; sizes [B, 6]; weights [B] of the losses, or None.
    """

    noisy: torch.Tensor
    target: torch.Tensor
    timesteps: torch.Tensor
    text: Mapping[str, torch.Tensor]
    sizes: torch.Tensor
    instances: int
    weights: torch.Tensor | None


@dataclass(slots=True)
class _Sample:
    latents: torch.Tensor
    added: torch.Tensor
    timestep: float
    row: int
    sizes: tuple[int, ...]


class Batches:
    """Every batch of a run, looked up by step: the same arguments give the same batch, bit for bit.

    `text` holds one row per prompt, `rows` says which. `prior` is None without prior preservation.
    """

    def __init__(
        self,
        *,
        family: Family,
        schedule: Any,
        instance: Source,
        prior: Source | None,
        text: Mapping[str, torch.Tensor],
        rows: Mapping[str, int],
        layout: Layout,
        seed: int,
        device: torch.device,
        noise_offset: float = 0.0,
        snr_gamma: float = 0.0,
        levels: Levels = Levels(),  # noqa: B008 - frozen
        buckets: bool = False,
    ) -> None:
        self._family, self._schedule = family, schedule
        self._text, self._rows = text, rows
        self._noise_offset, self._snr_gamma, self._levels = noise_offset, snr_gamma, levels
        self._layout, self._seed, self._device = layout, seed, device
        streams = (("instance", instance), ("class", prior))
        self._streams = tuple(
            (name, source, _order(seed, name, source, layout.batch if buckets else 0))
            for name, source in streams
            if source is not None
        )

    def at(self, step: int, micro: int, process: int) -> tuple[Batch, ...]:
        """The micro-batch of an optimizer step (from 0) in one process: one, or two where shapes differ.

        Instance photos come before class images.
        """
        places = self._layout.places(step, micro, process)
        parts = [[self._sample(*stream, place) for place in places] for stream in self._streams]
        following = self._layout.places(*self._layout.after(step, micro), process)
        for stream, source, order in self._streams:
            source.expect([(order.at(place), (self._seed, stream, place)) for place in following])
        if len({part[0].latents.shape for part in parts}) == 1:
            return (self._batch([sample for part in parts for sample in part], len(places)),)
        return tuple(self._batch(part, len(places) * (part is parts[0])) for part in parts)

    def _batch(self, samples: Sequence[_Sample], instances: int) -> Batch:
        latents = torch.stack([sample.latents for sample in samples]).to(self._device)
        added = torch.stack([sample.added for sample in samples]).to(self._device)
        timesteps = torch.tensor([sample.timestep for sample in samples], device=self._device)
        rows = [sample.row for sample in samples]
        denoise = self._family.denoise
        return Batch(
            noisy=denoise.add_noise(self._schedule, latents, added, timesteps),
            target=denoise.target(self._schedule, latents, added, timesteps),
            timesteps=timesteps,
            text={name: tensor[rows] for name, tensor in self._text.items()},
            sizes=torch.tensor([sample.sizes for sample in samples], device=self._device),
            instances=instances,
            weights=denoise.weights(self._schedule, timesteps, self._snr_gamma) if self._snr_gamma else None,
        )

    def _sample(self, stream: str, source: Source, order: Order | BucketOrder, place: int) -> _Sample:
        names: Names = (self._seed, stream, place)
        index = order.at(place)
        encoded = source.encoded(index, names)
        shape = encoded.mean.shape
        added = noise.gaussian(shape, *names, "noise")
        if self._noise_offset:
            added += self._noise_offset * noise.gaussian((shape[0], 1, 1), *names, "noise offset")
        return _Sample(
            latents=encoded.mean + encoded.std * noise.gaussian(shape, *names, "posterior"),
            added=added,
            timestep=self._family.denoise.timestep(self._schedule, self._levels, shape, *names, "timestep"),
            row=self._rows[source.items[index].prompt],
            sizes=encoded.sizes,
        )


def _order(seed: int, stream: str, source: Source, batch: int) -> Order | BucketOrder:
    """With `batch`, an order by shape for batches of that many; without, a plain one."""
    if not batch:
        return Order(seed=seed, stream=stream, count=len(source.items))
    shapes = source.shapes()
    groups = (tuple(i for i, shape in enumerate(shapes) if shape == each) for each in sorted(set(shapes)))
    return BucketOrder(seed=seed, stream=stream, groups=tuple(groups), batch=batch)
