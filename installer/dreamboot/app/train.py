"""Train: a run folder with its configuration, checked, then the trainer is launched in the environment."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import plan_of
from dreamboot.building import generations
from dreamboot.building.layout import Layout
from dreamboot.launching import trainer
from dreamboot.launching.follow import UNEXPLAINED, follow
from dreamboot.launching.several import Launch, elastic_command, elastic_variables, require_gpus, require_sound
from dreamboot.launching.workers import KILLED, LOST
from dreamboot.model import DreambootError, Environment, Event, EventKind, Plan, Problem, Report
from dreamboot.values import parse_toml, value

# The check decodes every photo: thousands of large ones on a slow disk take minutes.
CHECK_SECONDS = 900.0
# What is meant for one call, and must not stand in the file that later calls go on with.
ONCE = ("resume", "checkpoint.resume")
# The trainer's word for a model that is named as on the hub and is not in the local cache.
NOT_LOCAL = "model-not-local"


@value
class Run:
    """One training run: its folder, the environment that runs it, and settings that are written into its file."""

    folder: Path
    environment: Environment
    plan: Plan
    settings: Tuple[str, ...] = ()
    launch: Launch = Launch()

    @property
    def config(self) -> Path:
        """The run's configuration file; further hosts, which share the folder, write one each."""
        return self.folder / (f"config.host-{self.launch.host_rank}.toml" if self.launch.host_rank else "config.toml")

    @property
    def log(self) -> Path:
        """What the trainer prints on this host."""
        return self.folder / (f"trainer.host-{self.launch.host_rank}.log" if self.launch.host_rank else "trainer.log")


def train(
    context: Context,
    *,
    config: Optional[Path],
    settings: Sequence[str],
    environment: str,
    output: Optional[Path],
    launch: Launch,
) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot train`. `settings` are `key=value` texts over the file's."""
    require_sound(launch)
    layout = Layout(home=context.home)
    built = generations.require(context.host, layout, environment)
    if config is not None and not context.host.exists(config):
        raise DreambootError(
            Problem(
                id="config-missing",
                what=f"There is no configuration file {config}.",
                cause="The path is wrong, or the file was moved.",
                hint="dreamboot train --help   (every setting is also a flag)",
            )
        )
    folder = output or (config.parent if config else layout.runs / "train")
    run = Run(
        folder=folder.absolute(), environment=built, plan=plan_of(context, built), settings=tuple(settings),
        launch=launch,
    )  # fmt: skip
    if context.dry_run:
        command = _command(run, launch.with_processes(0, run.plan.accelerate))
        yield Report(command="train", data={"schema": 1, "command": command}, messages=(" ".join(command),))
        return
    yield from run_training(context, run, base=config)
    yield finished_report("train", run)


def run_training(context: Context, run: Run, base: Optional[Path] = None) -> Iterator[Event]:
    """Write the configuration, check it and everything that it names, train. Raises `DreambootError`."""
    place = trainer.place_trainer(context.host, Layout(home=context.home))
    variables = trainer.trainer_environment(context.host, place, run.plan)
    context.host.make_dir(run.folder)
    # The first host's dreamboot holds the folder for all of them.
    with nullcontext() if run.launch.host_rank else _only_run(run.folder):
        yield Event(kind=EventKind.STARTED, stage="check", message="photos, model, settings and free space")
        launch = _write_config(context, run, variables, base)
        require_gpus(launch, _device(context, run), len(run.plan.gpus))
        yield from _check(context, run, variables)
        yield Event(kind=EventKind.FINISHED, stage="check")
        if launch.elastic:
            variables.update(elastic_variables(launch, run.plan.accelerate))
            # What a process tells as a Problem after this moment is no reason to start it anew.
            variables["DREAMBOOT_LAUNCHED"] = f"{time.time():.3f}"
        try:
            yield from _follow(context, run, _command(run, launch), variables)
        except DreambootError as error:
            if error.problem.id not in (KILLED, LOST):
                raise
            raise DreambootError(replace(error.problem, hint=_again(run))) from error


def _device(context: Context, run: Run) -> str:
    """Where it computes: as the run's configuration says, else as the plan does."""
    told = parse_toml(context.host.read_text(run.config) or "").get("training", {}).get("device", "auto")
    return run.plan.device if told in ("", "auto") else str(told)


def _again(run: Run) -> str:
    """The command that goes on with a run whose process was killed or lost the others, on this host."""
    asked = run.launch
    words = ["dreamboot", "train", "--config", shlex.quote(str(run.config))]
    words += ["--env", run.environment.name] if run.environment.name != "default" else []
    words += ["--processes", str(asked.processes)] if asked.processes else []
    if asked.hosts > 1:
        words += ["--hosts", str(asked.hosts), "--host-rank", str(asked.host_rank)]
        words += ["--main-address", asked.main_address]
    return f"{' '.join(words)}   (goes on there; with --restarts 3 it does so by itself)"


def _command(run: Run, launch: Launch) -> List[str]:
    arguments = ["train", "--config", str(run.config)]
    for setting in run.settings:
        arguments += ["--set", setting] if _is_once(setting) else []
    if launch.elastic:
        return elastic_command(run.environment, launch, arguments)
    return trainer.launch_command(run.environment, arguments)


def _is_once(setting: str) -> bool:
    return setting.partition("=")[0].strip() in ONCE


def _write_config(context: Context, run: Run, variables: Dict[str, str], base: Optional[Path]) -> Launch:
    """The run's configuration, with the number of processes in it: the trainer stops where another one takes part."""
    asked = run.launch
    known = (f"num_processes={asked.total}",) if asked.processes else ()
    write_config(context, replace(run, settings=(*run.settings, *known)), variables, base)
    content = parse_toml(context.host.read_text(run.config) or "")
    configured = int(content.get("training", {}).get("num_processes", 0))
    launch = asked.with_processes(configured, run.plan.accelerate)
    if launch.total != configured and launch.elastic:
        settings = (*run.settings, f"num_processes={launch.total}")
        write_config(context, replace(run, settings=settings), variables, base)
    return launch


def _check(context: Context, run: Run, variables: Dict[str, str]) -> Iterator[Event]:
    """The trainer's own check. When all that is wrong is a hub's model that is not here yet, that is downloaded."""
    check = ["check", "--config", str(run.config), "--json"]
    try:
        _ask(context, run, variables, check)
    except DreambootError as error:
        if error.problem.id != NOT_LOCAL or context.offline:
            raise
    else:
        return
    fetch = ["fetch", "--config", str(run.config), "--json"]
    yield from _follow(context, run, trainer.direct_command(run.environment, fetch), variables)
    _ask(context, run, variables, check)


def _follow(context: Context, run: Run, command: Sequence[str], variables: Dict[str, str]) -> Iterator[Event]:
    return follow_from(context, command, variables, run.folder / "events.jsonl", run.log)


def follow_from(
    context: Context, command: Sequence[str], variables: Dict[str, str], events: Path, log: Path
) -> Iterator[Event]:
    """Start `command` and follow what it writes to `events`.

    A trainer that died without a word of its own left a log: the cause is looked up in it, as `explain` would.
    """
    child = context.host.spawn(command, env=variables, output=log)
    try:
        yield from follow(context.host, child, events, log)
    except DreambootError as error:
        if error.problem.id != UNEXPLAINED:
            raise
        raise DreambootError(named(error.problem, context.host.read_bytes(log) or b"")) from error


def named(problem: Problem, log: bytes) -> Problem:
    """`problem`, or the cause that its log shows: what, why and next then come from the symptom."""
    from dreamboot.doctor.symptoms import explain

    causes = explain(log)
    return causes[0].problem if causes else problem


def require_settings(context: Context, plan: Plan, settings: Sequence[str]) -> None:
    """Refuse settings that the trainer's schema does not know, before an environment is built for them.

    The schema needs nothing but a Python: the plan's, or our own where that one has yet to be fetched. One that is too
    old for it says nothing here; the run's own check follows in any case.
    """
    if not settings:
        return
    variables = trainer.trainer_environment(context.host, trainer.trainer_source().parent, plan)
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [plan.python_path or sys.executable, "-m", trainer.PACKAGE, "resolve", "--json"]
    for setting in settings:
        command += ["--set", setting]
    done = context.host.run(command, env=variables, timeout=CHECK_SECONDS)
    problem = None if done.ok else _problem_in(done.stdout)
    if problem is not None:
        raise DreambootError(problem)


def write_config(context: Context, run: Run, variables: Dict[str, str], base: Optional[Path]) -> None:
    """The whole, resolved configuration, made by the trainer's own schema. An unchanged file stays as it is."""
    arguments = ["resolve", "--json"]
    if base is not None:
        arguments += ["--config", str(base.absolute())]
    for setting in run.settings:
        arguments += [] if _is_once(setting) else ["--set", setting]
    text = _ask(context, run, variables, arguments)
    if text != context.host.read_text(run.config):
        context.host.write_text(run.config, text)


def _ask(context: Context, run: Run, variables: Dict[str, str], arguments: List[str]) -> str:
    """What a short trainer command prints; its Problem becomes ours."""
    done = context.host.run(trainer.direct_command(run.environment, arguments), env=variables, timeout=CHECK_SECONDS)
    if done.ok:
        return done.stdout
    problem = _problem_in(done.stdout)
    if problem is None:
        said = " ".join((done.stderr or done.stdout).split()[-80:])
        problem = Problem(
            id="trainer-check-failed",
            what="The trainer could not check this run.",
            cause=f"It ended with code {done.returncode}: {said}",
            hint="dreamboot doctor",
        )
    raise DreambootError(problem)


def _problem_in(text: str) -> Optional[Problem]:
    """The first Problem of a `--json` answer; the others are told with it."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    problems = data.get("problems") or ([data["problem"]] if data.get("problem") else [])
    if not problems:
        return None
    first = {key: str(problems[0].get(key, "")) for key in ("id", "what", "cause", "hint", "link")}
    if len(problems) > 1:
        first["cause"] += (
            f" (and {len(problems) - 1} more: " + "; ".join(str(p.get("what")) for p in problems[1:4]) + ")"
        )
    return Problem(**first)


def finished_report(command: str, run: Run) -> Report:
    """Where everything is."""
    folder = run.folder
    results = {
        "model": str(folder / "model"),
        "checkpoint": str(folder / "model.safetensors"),
        "before_after": str(folder / "samples" / "before_after.png"),
        "loss_plot": str(folder / "plots" / "loss.png"),
        "config": str(run.config),
    }
    present = {name: path for name, path in results.items() if Path(path).exists()}
    return Report(command=command, data={"schema": 1, "run": str(folder), **present}, messages=tuple(present.values()))


class _only_run:  # noqa: N801 - reads as the phrase it is
    """One training per run folder; the operating system frees the lock when its holder dies."""

    def __init__(self, folder: Path) -> None:
        import filelock

        self._lock = filelock.FileLock(str(folder / "run.lock"), timeout=0)

    def __enter__(self) -> None:
        import filelock

        try:
            self._lock.acquire()
        except filelock.Timeout as busy:
            raise DreambootError(
                Problem(
                    id="run-busy",
                    what="Another dreamboot is training in this run folder right now.",
                    cause=f"It holds {self._lock.lock_file}.",
                    hint="Wait for it, or train elsewhere: --output FOLDER",
                )
            ) from busy

    def __exit__(self, *_: object) -> None:
        self._lock.release()
