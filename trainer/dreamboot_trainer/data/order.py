"""Which photo comes when: an endless shuffled order in which every place can be looked up."""

from __future__ import annotations

from dataclasses import dataclass

from dreamboot_trainer.noise import permutation


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """`count` things, shuffled anew in every epoch. `stream` keeps instance and class images independent."""

    seed: int
    stream: str
    count: int

    def at(self, place: int) -> int:
        """The thing at this place (0, 1, 2 ...)."""
        epoch, position = divmod(place, self.count)
        return permutation(self.count, self.seed, "order", self.stream, epoch)[position]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """How places are dealt to optimizer steps, micro-batches and processes.

    The places of one optimizer step are the same whether they are dealt to processes or to accumulation.
    """

    batch: int
    accumulation: int
    processes: int

    def places(self, step: int, micro: int, process: int) -> range:
        """Places of the micro-batch `micro` of optimizer step `step` (from 0) in a process."""
        first = ((step * self.accumulation + micro) * self.processes + process) * self.batch
        return range(first, first + self.batch)

    def after(self, step: int, micro: int) -> tuple[int, int]:
        """Step and micro-batch of what comes next in the same process."""
        return (step, micro + 1) if micro + 1 < self.accumulation else (step + 1, 0)
