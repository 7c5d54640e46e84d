"""All probes side by side, each in its own thread with its own deadline; what they learn becomes one `Machine`."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from dreamboot.host import Host
from dreamboot.machine.asking import PROBE_SECONDS, Asking, Facts, Shared
from dreamboot.model import Machine, ProbeRun

JOINED = ("gpus", "drivers", "faults")
_FIELDS = frozenset(field.name for field in dataclasses.fields(Machine))


class Running:
    """One probe at work: its thread, its questions and, in the end, its facts or the reason why there are none."""

    def __init__(self, name: str, asking: Asking) -> None:
        self.name = name
        self.asking = asking
        self.facts: Facts = {}
        self.failed = ""
        self.seconds: Optional[float] = None
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"probe-{name}")
        self._thread.start()

    def _work(self) -> None:
        try:
            module = importlib.import_module(f"dreamboot.machine.probes.{self.name}")
            self.facts = _known(module.probe(self.asking))
        except Exception as error:  # noqa: BLE001 - a crashed probe is a fact about the probe, not an end
            self.failed = f"{type(error).__name__}: {error}"
        self.seconds = time.monotonic() - self._begun

    def finish(self, until: float) -> Tuple[ProbeRun, Facts]:
        """Wait for the probe, at most `until` (monotonic seconds); how it went, and what it learnt by then."""
        self._thread.join(max(0.0, until - time.monotonic()))
        asked = tuple(self.asking.asked)
        seconds = self.seconds
        if seconds is None:
            late = f"no answer within {PROBE_SECONDS:g} s"
            run = ProbeRun(probe=self.name, asked=asked, seconds=PROBE_SECONDS, failed=late)
            return run, _known(self.asking.early)
        return ProbeRun(probe=self.name, asked=asked, seconds=round(seconds, 4), failed=self.failed), self.facts


def probe_names() -> Tuple[str, ...]:
    """The probes that exist: one module each in `probes/`."""
    from dreamboot.machine import probes

    return tuple(sorted(module.name for module in pkgutil.iter_modules(probes.__path__)))


def survey(host: Host, home: Path, *, network: bool = True, names: Optional[Iterable[str]] = None) -> Machine:
    """Run the probes (`names`: only these) and join what they learn; never raises."""
    until = time.monotonic() + PROBE_SECONDS
    chosen = probe_names() if names is None else tuple(names)
    shared = Shared()
    running = [Running(name, Asking(host, home, network=network, shared=shared)) for name in chosen]
    ended = [probe.finish(until) for probe in running]
    return join(host.system, [facts for _, facts in ended], tuple(run for run, _ in ended))


def join(system: str, learnt: List[Facts], runs: Tuple[ProbeRun, ...]) -> Machine:
    """One machine from the facts of all probes; `gpus`, `drivers` and `faults` of several probes follow each other."""
    fields: Dict[str, Any] = {"os": system}
    for facts in learnt:
        for name, value in facts.items():
            fields[name] = (*fields.get(name, ()), *value) if name in JOINED else value
    return Machine(**fields, probes=runs)


def _known(facts: Mapping[str, Any]) -> Facts:
    unknown = set(facts) - _FIELDS
    if unknown:
        raise ValueError(f"a machine has no field {', '.join(sorted(unknown))}")
    return dict(facts)
