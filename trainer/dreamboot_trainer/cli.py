"""The trainer's command line. Only the chosen command imports what it needs; `check` and `--help` import no torch."""

# ruff: noqa: T201 - this is a face: it prints

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from dreamboot_trainer.config import Config
from dreamboot_trainer.console import json_line, on_stderr, print_event, while_heard
from dreamboot_trainer.flag_words import settings_from
from dreamboot_trainer.lean import quiet
from dreamboot_trainer.problems import Interrupted, Problem, RepeatingError, TrainerError, mismatch
from dreamboot_trainer.texts import unusable

DONE, WRONG, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str]) -> int:
    """Run one command; the exit code: 0 done, 1 a Problem (said), 2 usage, 130 interrupted."""
    if arguments[:1] == ["convert"]:
        from dreamboot_trainer.convert.cli import run

        return run(arguments[1:])
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is no reason to end
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options, words = parser.parse_known_args(arguments)
    options.flags, strays = settings_from(words)
    # A flag of another trainer is a fault like a misspelt key: all are told at once, each with what it is here.
    if strays or (words and not hasattr(options, "overrides")):
        parser.error(f"unrecognized arguments: {' '.join(strays or words)}")
    quiet()
    try:
        command: Callable[[argparse.Namespace], int] = options.command
        return command(options)
    except TrainerError as error:
        _say_problems(error.problems, as_json=options.json)
        return DONE if isinstance(error, RepeatingError) and _is_restarted() else WRONG
    except Interrupted as stop:
        print(f"Interrupted after step {stop.step}. The same command goes on from there.", file=sys.stderr)
        return DONE if _is_restarted() else INTERRUPTED
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED


def _is_restarted() -> bool:
    """Whether torch's elastic launcher starts again whatever ends with another code than 0."""
    return os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dreamboot_trainer", description="DreamBooth training.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, help_text, command, adds in (
        (
            "train",
            "train as the configuration says; goes on where an earlier call was stopped",
            _train,
            _config_arguments,
        ),
        (
            "check",
            "find what is wrong with configuration, model and photos, without training",
            _check,
            _config_arguments,
        ),
        ("fetch", "download a model that is named as on the hub, and check its hashes", _fetch, _config_arguments),
        ("resolve", "print the whole configuration as TOML", _resolve, _config_arguments),
        ("schema", "print every key with type, default and help as JSON", _schema, _schema_arguments),
        ("sample", "generate a grid of pictures from a trained run", _sample, _sample_arguments),
        ("predict", "say how much video memory a training step would hold", _predict, _predict_arguments),
        ("pick", "measure every kept model of a run and name the best one", _pick, _pick_arguments),
        ("compare", "put two grids side by side", _compare, _compare_arguments),
    ):
        sub = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        sub.add_argument("--json", action="store_true", help="answer in JSON")
        adds(sub)
        sub.set_defaults(command=command)
    commands.add_parser("convert", help="convert between the original layout, diffusers folders and LoRA files")
    return parser


def _schema_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="tables for the documentation instead")


def _config_arguments(parser: argparse.ArgumentParser) -> None:
    from dreamboot_trainer.config import keys
    from dreamboot_trainer.recipes import recipes

    parser.add_argument("--config", type=_config_file, help="config.toml of the run, or the run's folder")
    parser.add_argument(
        "--recipe", default="", choices=tuple(recipes()), help="the settings of a recipe, over the file's"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="change one key"
    )
    parser.add_argument(
        "--as-flags", action="store_true", help="what --set is told was typed as flags: advice is spelt so"
    )
    flags = parser.add_argument_group("keys of the configuration")
    for key in keys():
        if key.name != "concepts":
            # Other trainers' switches take no value: --hflip is --hflip true.
            form: dict[str, Any] = {"nargs": "?", "const": "true"} if key.type == "bool" else {}
            flags.add_argument(f"--{key.name}", metavar="VALUE", default=None, help=key.help.replace("%", "%%"), **form)


def _config_file(text: str) -> Path:
    """The file that is meant where a run's folder is named."""
    path = Path(text)
    return path / "config.toml" if (path / "config.toml").is_file() else path


def _sample_arguments(parser: argparse.ArgumentParser) -> None:
    _config_arguments(parser)
    parser.add_argument("--model", type=Path, help="model folder; the run's model/ when left out")
    parser.add_argument("--prompt", action="append", default=[], metavar="TEXT", help="what to draw; may be repeated")
    parser.add_argument("--pictures", type=_count, default=0, metavar="N", help="pictures of each prompt")
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")


def _count(text: str) -> int:
    """A number from 1 on; raises ArgumentTypeError."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of pictures: 1 or more")


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    from dreamboot_trainer.predict.cli import add_arguments

    _config_arguments(parser)
    add_arguments(parser)


def _pick_arguments(parser: argparse.ArgumentParser) -> None:
    _config_arguments(parser)
    parser.add_argument("--dino", type=Path, help="folder of a DINO ViT, such as facebook/dino-vits16")
    parser.add_argument("--clip", type=Path, help="folder of a CLIP model, such as openai/clip-vit-base-patch32")
    parser.add_argument("--lpips", type=Path, help="folder with VGG16's weights and those of LPIPS")
    parser.add_argument("--pictures", type=_count, default=8, metavar="N", help="pictures per prompt and model (8)")


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="PNG to write")


def read_config(options: argparse.Namespace) -> tuple[Config, Path]:
    """The configuration of the call and the run folder."""
    from dreamboot_trainer.config import keys
    from dreamboot_trainer.config_read import read

    flags = [f"{key.name}={value}" for key in keys() if (value := getattr(options, key.name, None)) is not None]
    texts = ([], options.overrides) if options.as_flags else (options.overrides, [])
    config = read(options.config, texts[0], options.recipe, [*texts[1], *flags, *options.flags])
    if config.output.output_dir:
        return config, Path(config.output.output_dir).expanduser()
    run = options.config.resolve().parent if options.config else Path.cwd()
    reason = unusable(str(run))
    if reason:
        hint = "Give the folder another name, or: --output_dir FOLDER"
        raise TrainerError(
            mismatch("run-not-utf8", "The run folder's name is no UTF-8.", "a name in UTF-8", reason, hint)
        )
    return config, run


def _train(options: argparse.Namespace) -> int:
    from dreamboot_trainer.check import check
    from dreamboot_trainer.events import failed_since

    config, run = read_config(options)
    if _told_before(run):
        return DONE
    listener = while_heard(json_line if options.json else print_event)
    if not config.model.local_files_only:
        _ensure_model(config, run, listener)
    report = check(config, run)
    if report.problems:
        _log_problems(run, report.problems)
        raise TrainerError(*report.problems)
    run.mkdir(parents=True, exist_ok=True)
    from dreamboot_trainer.run import part, train

    say = while_heard(print)
    for note in report.notes:
        say(note)
    begun = time.time()
    try:
        train(config, run, (listener,))
    except TrainerError as error:
        # What is wrong before the run's events are open: precision, trackers, another launcher's wishes.
        if not failed_since(run / "events.jsonl", begun):
            _log_problems(run, error.problems)
        raise
    part()
    return DONE


def _told_before(run: Path) -> bool:
    """Whether this process takes the place of one that ended with a Problem: it would end with the same again.

    The elastic launcher starts anew whatever ends with another code than 0; it does not know a kill from a Problem.
    """
    from dreamboot_trainer.events import failed_since

    launched = os.environ.get("DREAMBOOT_LAUNCHED", "")
    anew = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    return bool(launched) and anew and failed_since(run / "events.jsonl", float(launched))


def _ensure_model(config: Config, run: Path | None, listener: Callable[[dict[str, Any]], None]) -> None:
    """Download a hub's model that is not here, with progress into the events of the run, where there is one."""
    from dreamboot_trainer import hub
    from dreamboot_trainer.events import EventLog

    name, revision = config.model.pretrained_model_name_or_path, config.model.revision
    if not hub.is_name(name) or hub.cached(name, revision) is not None:
        return
    main = os.environ.get("RANK", "0") == "0"
    if run is not None:
        run.mkdir(parents=True, exist_ok=True)
    events = EventLog(run / "events.jsonl" if main and run is not None else None, *((listener,) if main else ()))
    events.started("prepare", f"The model {name} is downloaded")
    try:
        mebibyte = 2**20
        hub.fetch(
            name,
            revision,
            hub.each_percent(
                lambda done, total, _: events.progress("prepare", -(-done // mebibyte), -(-total // mebibyte), "MiB")
            ),
        )
        events.finished("prepare")
    except TrainerError as error:
        events.failed("prepare", error.problem)
        raise
    finally:
        events.close()


def _fetch(options: argparse.Namespace) -> int:
    from dreamboot_trainer.data.concepts import model_path

    config, run = read_config(options)
    named = options.config or config.output.output_dir
    _ensure_model(config, run if named else None, (lambda _: None) if options.json else print_event)
    folder = model_path(config)
    print(json.dumps({"schema": 1, "path": str(folder)}) if options.json else f"Here: {folder}")
    return DONE


def _log_problems(run: Path, problems: Sequence[Problem]) -> None:
    """Into the run's events, where there is such a run: what follows it from outside reads only those."""
    from dreamboot_trainer.events import EventLog

    if run.is_dir() and os.environ.get("RANK", "0") == "0":
        with suppress(OSError):
            events = EventLog(run / "events.jsonl")
            for problem in problems:
                events.failed("prepare", problem)
            events.close()


def _check(options: argparse.Namespace) -> int:
    from dreamboot_trainer.check import check

    config, run = read_config(options)
    report = check(config, run)
    if options.json:
        problems = [problem.to_json() for problem in report.problems]
        print(json.dumps({"schema": 1, "problems": problems, "notes": list(report.notes)}, ensure_ascii=False))
    else:
        for note in report.notes:
            print(note)
        _say_problems(report.problems, as_json=False)
        if not report.problems:
            print("Nothing is wrong with configuration, model and photos.")
    return WRONG if report.problems else DONE


def _predict(options: argparse.Namespace) -> int:
    from dreamboot_trainer.predict.cli import run

    config, _ = read_config(options)
    return run(options, config)


def _resolve(options: argparse.Namespace) -> int:
    from dreamboot_trainer.config_read import absolute, dump

    config, _ = read_config(options)
    print(dump(absolute(config, Path.cwd())), end="")
    return DONE


def _schema(options: argparse.Namespace) -> int:
    import dataclasses

    from dreamboot_trainer.config import keys
    from dreamboot_trainer.config_read import markdown

    if options.markdown:
        print(markdown(), end="")
        return DONE
    rows = [dataclasses.asdict(key) for key in keys()]
    print(json.dumps({"schema": 1, "keys": rows}, ensure_ascii=False, indent=1))
    return DONE


def _sample(options: argparse.Namespace) -> int:
    from dreamboot_trainer.drawing import draw
    from dreamboot_trainer.events import EventLog

    config, run = read_config(options)
    events = EventLog(None, on_stderr(as_json=options.json))
    draw(
        config, run, options.out, events,
        prompts=tuple(options.prompt), pictures=options.pictures, model=options.model,
    )  # fmt: skip
    print(json.dumps({"schema": 1, "path": str(options.out)}) if options.json else f"Written: {options.out}")
    return DONE


def _pick(options: argparse.Namespace) -> int:
    from dreamboot_trainer.events import EventLog, read_training
    from dreamboot_trainer.fidelity import pick
    from dreamboot_trainer.fidelity.table import lines
    from dreamboot_trainer.report import write_report

    config, run = read_config(options)
    encoders = pick.load_encoders(config, options.dino, options.clip, options.lpips)
    events = EventLog(None, on_stderr(as_json=options.json))
    picked = pick.pick(config, run, encoders, options.pictures, lambda text: events.line("pick", text, important=True))
    write_report(config, run, read_training(run / "events.jsonl"))
    told = lines(picked, run)
    print(json.dumps({**pick.as_json(picked), "lines": told}) if options.json else "\n".join(told))
    return DONE


def _compare(options: argparse.Namespace) -> int:
    from dreamboot_trainer.sample import beside

    beside(options.before, options.after, options.out)
    print(json.dumps({"schema": 1, "path": str(options.out)}) if options.json else f"Written: {options.out}")
    return DONE


def _say_problems(problems: Sequence[Problem], *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                {"schema": 1, "problem": problems[0].to_json(), "problems": [p.to_json() for p in problems]},
                ensure_ascii=False,
            )
        )
        return
    for problem in problems:
        print(problem, file=sys.stderr)
