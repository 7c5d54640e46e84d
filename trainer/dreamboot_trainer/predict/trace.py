"""Which storages live when: a dispatch mode that follows every allocation of a run on fake tensors."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

ACTIVATIONS = "activations"


@dataclass(frozen=True, slots=True)
class Event:
    """One allocation (`size` bytes above 0) or its end (`size` below 0). `key` names the storage."""

    key: int
    size: int


@dataclass(slots=True)
class Trace:
    """Allocations in their order, and what each storage holds ("weights", "gradients", ...).

    `moments`: parts of the run by name, each from an event to before another.
    """

    events: list[Event] = field(default_factory=list)
    parts: dict[int, str] = field(default_factory=dict)
    moments: dict[str, tuple[int, int]] = field(default_factory=dict)

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
    """Records into `trace`. Used inside a FakeTensorMode, whose tensors have storages of the true size."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.trace = Trace()
        self._part = ACTIVATIONS
        self._known: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._next = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and note storages that it made."""
        made = func(*args, **(kwargs or {}))
        for item in tree_iter(made):
            # What lies on no device is only a shape, of which something else is made.
            if hasattr(item, "untyped_storage") and item.device.type != "meta":
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
        return key

    def _freed(self, key: int, size: int) -> None:
        self.trace.events.append(Event(key, -size))
