"""Which storages live when: a dispatch mode that follows every allocation of a run on fake tensors."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

ACTIVATIONS = "activations"
_DEVICE = torch.ops.prim.device.default


class NoRoomError(Exception):
    """More is held than the recorder was told that there is room for."""


@dataclass(frozen=True, slots=True)
class Event:
    """One allocation (`size` bytes above 0) or its end (`size` below 0). `key` names the storage."""

    key: int
    size: int


@dataclass(slots=True)
class Trace:
    """Allocations in their order, and what each storage holds ("weights", "gradients", ...).

    `moments`: parts of the run by name, each from an event to before another. `marks`: the events before which the
    optimizer works.
    """

    events: list[Event] = field(default_factory=list)
    parts: dict[int, str] = field(default_factory=dict)
    moments: dict[str, tuple[int, int]] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)

    def during(self, moment: str) -> list[Event]:
        """The allocations that a moment begins with, oldest first, and then its own."""
        begin, end = self.moments[moment]
        live: dict[int, Event] = {}
        for event in self.events[:begin]:
            if event.size > 0:
                live[event.key] = event
            else:
                live.pop(event.key, None)
        return [*live.values(), *self.events[begin:end]]

    def peak(self, moment: str = "") -> dict[str, int]:
        """Bytes by part when most are held: in a moment, or at all."""
        events = self.during(moment) if moment else self.events
        sizes: dict[int, int] = {}
        held = most = last = 0
        for number, event in enumerate(events):
            held += event.size
            if held > most:
                most, last = held, number
        for event in events[: last + 1]:
            if event.size > 0:
                sizes[event.key] = event.size
            else:
                sizes.pop(event.key, None)
        found: dict[str, int] = {}
        for key, size in sizes.items():
            part = self.parts.get(key, ACTIVATIONS)
            found[part] = found.get(part, 0) + size
        return found


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records into `trace`. Used inside a FakeTensorMode, whose tensors have storages of the true size.

    NoRoomError from within as soon as the tensors hold more than `limit` bytes, where one is given.
    """

    def __init__(self, limit: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self._limit, self._held = limit, 0
        self._part = ACTIVATIONS
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._next = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and note storages that it made."""
        # More than half of all operations ask a tensor for its device; it is known without going on.
        if func is _DEVICE and isinstance(args[0], FakeTensor):
            return args[0].fake_device
        made = func(*args, **(kwargs or {}))
        for item in tree_iter(made):
            # What lies on no device is only a shape, of which something else is made.
            if isinstance(item, Tensor) and item.device.type != "meta":
                self._note(item.untyped_storage())
        return made

    @contextmanager
    def labelled(self, part: str) -> Iterator[None]:
        """What is allocated within belongs to `part`."""
        before, self._part = self._part, part
        try:
            yield
        finally:
            self._part = before

    @contextmanager
    def moment(self, name: str) -> Iterator[None]:
        """What happens within is a moment of the run."""
        begin = len(self.trace.events)
        yield
        self.trace.moments[name] = (begin, len(self.trace.events))

    def label(self, tensor: Any, part: str) -> None:
        """Say afterwards what a tensor's storage holds."""
        self.trace.parts[self._note(tensor.untyped_storage())] = part

    def mark(self) -> None:
        """The optimizer works now."""
        self.trace.marks.append(len(self.trace.events))

    def require(self, further: int) -> None:
        """NoRoomError where so many bytes more have no room."""
        if self._limit and self._held + further > self._limit:
            raise NoRoomError

    def repeat(self, begin: int, times: int) -> None:
        """What was recorded since event `begin` happens so many times more, but for what stays when it is done."""
        trace = self.trace
        events, marks = trace.events[begin:], {mark - begin for mark in trace.marks if mark >= begin}
        passing = {event.key for event in events if event.size > 0} & {e.key for e in events if e.size < 0}
        for _ in range(times):
            names: dict[int, int] = {}
            for place, event in enumerate(events):
                if place in marks:
                    self.mark()
                if event.key not in passing:
                    continue
                if event.key not in names:
                    self._next += 1
                    names[event.key] = self._next
                    trace.parts[self._next] = trace.parts[event.key]
                trace.events.append(Event(names[event.key], event.size))

    def _note(self, storage: Any) -> int:
        key = self._known.get(storage)
        if key is not None:
            return key
        self._next += 1
        key, size = self._next, storage.nbytes()
        self._known[storage] = key
        self.trace.parts[key] = self._part
        self.trace.events.append(Event(key, size))
        weakref.finalize(storage, self._freed, key, size)
        self.require(size)
        self._held += size
        return key

    def _freed(self, key: int, size: int) -> None:
        self._held -= size
        self.trace.events.append(Event(key, -size))
