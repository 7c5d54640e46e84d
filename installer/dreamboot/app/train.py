"""Train: a run folder with its configuration, checked, then the trainer is launched in the environment."""

from __future__ import annotations

import json
import shlex
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Union

from dreamboot.app.context import Context
from dreamboot.app.environment import plan_of
from dreamboot.app.run_config import Call, Run, begun, call_of, folder_of, taken_out
from dreamboot.app.trainer_answers import CHECK_SECONDS, ask, problem_in
from dreamboot.building import generations
from dreamboot.building.layout import Layout
from dreamboot.launching import trainer
from dreamboot.launching.follow import UNEXPLAINED, follow
from dreamboot.launching.several import Launch, elastic_command, elastic_variables, require_gpus, require_sound
from dreamboot.launching.workers import KILLED, LOST
from dreamboot.model import DreambootError, Event, EventKind, Plan, Problem, Report

# The trainer's word for a model that is named as on the hub and is not in the local cache.
NOT_LOCAL = "model-not-local"
# Names of results, in the order in which a person wants them.
RESULTS = {
    "before_after": "Before and after",
    "report": "Report",
    "model": "Model folder",
    "checkpoint": "For web UIs",
    "loss_plot": "Loss",
}


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
    settings, (recipe, told) = taken_out(settings, "recipe", "output_dir")
    if config is not None:
        _require_file(context, config)
    layout = Layout(home=context.home)
    built = generations.require(context.host, layout, environment)
    folder = folder_of(context, config, output, told)
    run = Run(
        folder=folder, environment=built, plan=plan_of(context, built), settings=settings, recipe=recipe,
        launch=launch, as_flags=True,
    )  # fmt: skip
    if context.dry_run:
        variables = trainer.trainer_environment(context.host, trainer.trainer_source().parent, run.plan)
        command = _command(run, call_of(context, run, variables, config))
        yield Report(command="train", data={"schema": 1, "command": command}, messages=(" ".join(command),))
        return
    yield from run_training(context, run, base=config)
    yield finished_report("train", run)


def _require_file(context: Context, config: Path) -> None:
    if context.host.exists(config) and not context.host.is_dir(config):
        return
    folder = context.host.is_dir(config)
    raise DreambootError(
        Problem(
            id="config-missing",
            what=f"There is no configuration file {config}.",
            cause="Expected config.toml in that folder." if folder else "The path is wrong, or the file was moved.",
            hint="dreamboot train --help   (every setting is also a flag)",
        )
    )


def run_training(context: Context, run: Run, base: Optional[Path] = None) -> Iterator[Event]:
    """Check the configuration and everything that it names, then train. Raises `DreambootError`.

    Nothing of the run is changed before the check has passed.
    """
    place = trainer.place_trainer(context.host, Layout(home=context.home))
    variables = trainer.trainer_environment(context.host, place, run.plan)
    call = call_of(context, run, variables, base)
    context.host.make_dir(run.folder)
    # The first host's dreamboot holds the folder for all of them.
    with nullcontext() if run.launch.host_rank else _only_run(run.folder):
        yield Event(kind=EventKind.STARTED, stage="check", message="photos, model, settings and free space")
        launch = call.launch
        require_gpus(launch, call.device or run.plan.device, len(run.plan.gpus))
        yield from _check(context, run, variables, call)
        yield Event(kind=EventKind.FINISHED, stage="check")
        call = begun(context, run, call)
        if launch.elastic:
            variables.update(elastic_variables(launch, run.plan.accelerate))
            # What a process tells as a Problem after this moment is no reason to start it anew.
            variables["DREAMBOOT_LAUNCHED"] = f"{time.time():.3f}"
        try:
            yield from _follow(context, run, _command(run, call), variables)
        except DreambootError as error:
            if error.problem.id not in (KILLED, LOST):
                raise
            raise DreambootError(replace(error.problem, hint=_again(context, run))) from error


def _again(context: Context, run: Run) -> str:
    """The command that goes on with a run whose process was killed or lost the others, on this host."""
    asked = run.launch
    file = run.resolved if (run.settings or run.recipe) and context.host.exists(run.resolved) else run.config
    words = ["dreamboot", "train", "--config", shlex.quote(str(file))]
    words += ["--env", run.environment.name] if run.environment.name != "default" else []
    words += ["--processes", str(asked.processes)] if asked.processes else []
    if asked.hosts > 1:
        words += ["--hosts", str(asked.hosts), "--host-rank", str(asked.host_rank)]
        words += ["--main-address", asked.main_address]
    return f"{' '.join(words)}   (goes on there; with --restarts 3 it does so by itself)"


def _command(run: Run, call: Call) -> List[str]:
    arguments = ["train", *call.words]
    if call.launch.elastic:
        return elastic_command(run.environment, call.launch, arguments)
    return trainer.launch_command(run.environment, arguments)


def _check(context: Context, run: Run, variables: Dict[str, str], call: Call) -> Iterator[Event]:
    """The trainer's own check, and its advice. When all that is wrong is a hub's model that is not here yet, that is
    downloaded.
    """
    check = ["check", *call.words, "--json"]
    try:
        answer = ask(context, run.environment, variables, check)
    except DreambootError as error:
        if error.problem.id != NOT_LOCAL or context.offline:
            raise
        fetch = ["fetch", *call.words, "--json"]
        yield from _follow(context, run, trainer.direct_command(run.environment, fetch), variables)
        answer = ask(context, run.environment, variables, check)
    for note in json.loads(answer)["notes"]:
        yield Event(kind=EventKind.LINE, stage="check", message=f"note: {note}", data={"important": True})


def _follow(context: Context, run: Run, command: Sequence[str], variables: Dict[str, str]) -> Iterator[Event]:
    return follow_from(context, command, variables, run.folder / "events.jsonl", run.log, hosts=run.launch.hosts)


def follow_from(
    context: Context, command: Sequence[str], variables: Dict[str, str], events: Path, log: Path, *, hosts: int = 1
) -> Iterator[Event]:
    """Start `command` and follow what it writes to `events`.

    A trainer that died without a word of its own left a log: the cause is looked up in it, as `explain` would.
    """
    child = context.host.spawn(command, env=variables, output=log)
    try:
        yield from follow(context.host, child, events, log, hosts=hosts)
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
    problem = None if done.ok else problem_in(done.stdout)
    if problem is not None:
        raise DreambootError(problem)


def finished_report(command: str, run: Run) -> Report:
    """Where everything is, and what to do next."""
    folder = run.folder
    results = {
        "model": str(folder / "model"),
        "checkpoint": str(folder / "model.safetensors"),
        "before_after": str(folder / "samples" / "before_after.png"),
        "report": str(folder / "report.html"),
        "loss_plot": str(folder / "plots" / "loss.png"),
        "config": str(run.config),
    }
    present = {name: path for name, path in results.items() if Path(path).exists()}
    lines = [f"{f'{text}:':<18}{present[name]}" for name, text in RESULTS.items() if name in present]
    lines.append(f'{"More pictures:":<18}dreamboot sample {shlex.quote(str(folder))} --prompt "..."')
    return Report(command=command, data={"schema": 1, "run": str(folder), **present}, messages=tuple(lines))


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
