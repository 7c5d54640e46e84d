"""`dreamboot train`: settings of the trainer are flags here, so unknown options are handed on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Iterator, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.model import DreambootError, Event, ExitCode, Problem, Report, Wish
from dreamboot.terminal.options import add_environment, config_file, settings_from

HELP = "train with a configuration file and/or flags"
TAKES_UNKNOWN_OPTIONS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its options."""
    add_environment(parser)
    parser.add_argument("--config", type=config_file, metavar="FILE", help="a config.toml, or a run folder")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="the run folder")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of the trainer")
    parser.add_argument("--in-image", metavar="TAG", help="in a container of this image, with this machine's GPU")
    group = parser.add_argument_group("several GPUs and hosts")
    group.add_argument(
        "--processes", "--num-processes", "--num_processes", type=int, default=0, metavar="N",
        help="training processes on this host (one for each GPU that the plan selected)",
    )  # fmt: skip
    group.add_argument(
        "--restarts", type=int, default=0, metavar="N", help="how often a died process is followed by new ones (0)"
    )
    group.add_argument("--hosts", type=int, default=1, metavar="N", help="hosts that train together (1)")
    group.add_argument("--host-rank", type=int, default=0, metavar="R", help="which of them this one is, from 0")
    group.add_argument("--main-address", default="", metavar="ADDRESS:PORT", help="where they meet: on host 0")
    group.add_argument(
        "--sharding", choices=("none", "full"),
        help="full: the processes divide weights, gradients and optimizer state among them (FSDP); needs two or more",
    )  # fmt: skip
    parser.epilog = "Every setting of the trainer is a flag too: --learning-rate 2e-6, --max-train-steps 400 ..."


def run(args: argparse.Namespace, context: Context) -> Iterator[Union[Event, Report]]:
    """Train."""
    from dreamboot.launching.several import Launch

    settings = (*args.set, *settings_from(args.unknown))
    if args.sharding:
        settings = (*settings, f"sharding={args.sharding}")
    launch = Launch(
        processes=args.processes, restarts=args.restarts, hosts=args.hosts, host_rank=args.host_rank,
        main_address=args.main_address,
    )  # fmt: skip
    if args.in_image:
        if launch.restarts or launch.hosts != 1:
            what = "--restarts and --hosts do not reach into an image."
            hint = "dreamboot train --help   (leave --in-image or these out)"
            raise DreambootError(Problem(id="usage", what=what, hint=hint), exit_code=ExitCode.USAGE)
        if launch.processes:
            settings = (*settings, f"num_processes={launch.processes}")
        from dreamboot.app.image_run import train_in_image

        yield from train_in_image(context, args.in_image, config=args.config, settings=settings, output=args.output)
        return
    from dreamboot.app.image_inside import take_environment
    from dreamboot.app.train import train

    yield from take_environment(context, Wish(device=device_of(settings)))
    yield from train(
        context, config=args.config, settings=settings, environment=args.env, output=args.output, launch=launch
    )


def device_of(settings: Tuple[str, ...]) -> str:
    """ "cpu" where the trainer is told to compute there: a prebuilt image for GPUs then needs none; else ""."""
    told = [text for key, _, text in (one.partition("=") for one in settings) if key in ("device", "training.device")]
    return "cpu" if told[-1:] == ["cpu"] else ""


def render(report: Report) -> str:
    """Where the results are."""
    from dreamboot.terminal.draw import as_typed

    return "\n".join(as_typed(line) for line in report.messages)
