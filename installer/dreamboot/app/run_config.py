"""The configuration of one call of the trainer.

config.toml is written when a run begins and never changed afterwards: what a later call adds are flags of that call.
So a call that is refused leaves the run as it was. What a call was really made with is in the trainer's resolved.toml.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from dreamboot.app.context import Context
from dreamboot.app.trainer_answers import ask
from dreamboot.building.layout import Layout
from dreamboot.launching.several import Launch
from dreamboot.model import Environment, Plan
from dreamboot.values import parse_toml, value

# What is meant for one call, and must not stand in the file that later calls go on with.
ONCE = ("resume", "checkpoint.resume")


@value
class Run:
    """One training run: its folder, the environment that runs it, and what this call adds to its file."""

    folder: Path
    environment: Environment
    plan: Plan
    settings: Tuple[str, ...] = ()
    recipe: str = ""
    launch: Launch = Launch()
    # Whether the settings can be typed as flags: the trainer's advice on them is spelt so.
    as_flags: bool = False

    @property
    def config(self) -> Path:
        """The run's configuration file; further hosts, which share the folder, write one each."""
        return self.folder / (f"config.host-{self.launch.host_rank}.toml" if self.launch.host_rank else "config.toml")

    @property
    def resolved(self) -> Path:
        """What the last call was really made with, by the trainer."""
        return self.folder / "resolved.toml"

    @property
    def log(self) -> Path:
        """What the trainer prints on this host."""
        return self.folder / (f"trainer.host-{self.launch.host_rank}.log" if self.launch.host_rank else "trainer.log")


@value
class Call:
    """What the trainer's commands are told, and what that comes to. `text`: the file of a run that begins, else ""."""

    words: Tuple[str, ...]
    table: Mapping[str, Any]
    launch: Launch
    text: str = ""

    @property
    def device(self) -> str:
        """Where it computes: "" leaves it to the plan."""
        told = str(self.table.get("training", {}).get("device", "auto"))
        return "" if told == "auto" else told


def call_of(context: Context, run: Run, variables: Dict[str, str], base: Optional[Path]) -> Call:
    """The call, its settings checked by the trainer's own schema. `base`: the file that was named, if one was.

    With the number of processes in it: the trainer stops where another one takes part.
    """
    begins = not context.host.exists(run.config)
    source = base or (None if begins else run.config)
    asked = run.launch
    words = _words(run, source, (f"num_processes={asked.total}",) if asked.processes else ())
    # A run's own folder is where its file lies: it may be moved.
    text = ask(context, run.environment, variables, [*_resolve(run), *words, "--set", "output_dir="])
    configured = int(parse_toml(text).get("training", {}).get("num_processes", 0))
    launch = asked.with_processes(configured, run.plan.accelerate)
    if launch.total != configured and launch.elastic:
        words = _words(run, source, (f"num_processes={launch.total}",))
        text = ask(context, run.environment, variables, [*_resolve(run), *words, "--set", "output_dir="])
    told = (*words, *_once(run))
    if source is None or source.absolute().parent != run.folder:
        told = (*told, "--set", f"output_dir={run.folder}")
    return Call(words=told, table=parse_toml(text), launch=launch, text=text if begins else "")


def begun(context: Context, run: Run, call: Call) -> Call:
    """The same call, with the file written that a run which begins is called with from now on."""
    if not call.text:
        return call
    context.host.write_text(run.config, call.text)
    return replace(call, words=("--config", str(run.config), *_once(run)), text="")


def _resolve(run: Run) -> Tuple[str, ...]:
    return ("resolve", "--json", *(("--as-flags",) if run.as_flags else ()))


def _words(run: Run, source: Optional[Path], more: Tuple[str, ...]) -> Tuple[str, ...]:
    words: List[str] = ["--config", str(source.absolute())] if source is not None else []
    words += ["--recipe", run.recipe] if run.recipe else []
    for setting in (*run.settings, *more):
        words += [] if is_once(setting) else ["--set", setting]
    return tuple(words)


def _once(run: Run) -> Tuple[str, ...]:
    return tuple(word for setting in run.settings if is_once(setting) for word in ("--set", setting))


def is_once(setting: str) -> bool:
    """Whether `key=value` is meant for one call."""
    return setting.partition("=")[0].strip() in ONCE


def taken_out(settings: Sequence[str], *names: str) -> Tuple[Tuple[str, ...], Tuple[str, ...]]:
    """The settings without those of these names, and the last value of each name ("" where it is not told)."""
    pairs = [(setting.partition("=")[0].rpartition(".")[2].strip(), setting) for setting in settings]
    found = {name: setting.partition("=")[2] for name, setting in pairs if name in names}
    return tuple(text for name, text in pairs if name not in names), tuple(found.get(name, "") for name in names)


def folder_of(context: Context, config: Optional[Path], output: Optional[Path], told: str) -> Path:
    """Where a run lies: as --output says, or the setting output_dir (`told`), or beside its file, or in the home."""
    named = output or (Path(told).expanduser() if told else config.parent if config else None)
    return (named or Layout(home=context.home).runs / "train").absolute()
