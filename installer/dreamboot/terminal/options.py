"""Options that several commands share: which environment, which wish."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Iterator, List, Sequence, Tuple

from dreamboot.model import DreambootError, ExitCode, Problem, Wish

# A name is one folder below the home's envs/ on every system: no separators, no dots in front, no "..", no "C:".
_NAME = r"\w(?:[\w .+-]{0,62}[\w+-])?"
# A word that is a flag (also -s, as other trainers have it, but not -1), and one that is a pair.
_FLAG = re.compile(r"--.|-[A-Za-z]$")
_PAIR = re.compile(r"\w+=.")


def add_environment(parser: argparse.ArgumentParser) -> None:
    """--env."""
    parser.add_argument("--env", default="default", metavar="NAME", help="which environment (default: %(default)s)")


def add_run(parser: argparse.ArgumentParser) -> None:
    """RUN."""
    parser.add_argument(
        "run", nargs="?", default="", metavar="RUN",
        help="a run folder, its config.toml, or its name in dreamboot's home; left out: the newest run",
    )  # fmt: skip


def config_file(text: str) -> Path:
    """For argparse: the file that is meant where a run's folder is named."""
    path = Path(text)
    return path / "config.toml" if (path / "config.toml").is_file() else path


def count(text: str) -> int:
    """A number from 1 on, for argparse; raises ArgumentTypeError."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")


def settings_from(words: Sequence[str], command: str = "train") -> Tuple[str, ...]:
    """`--learning-rate 2e-6 --hflip` → ("learning_rate=2e-6", "hflip=true"). The trainer knows which keys exist.

    A flag takes one word, or none. kohya's `--optimizer_args a=1 b=2` takes every such pair.
    """
    settings: List[str] = []
    waits = pairs = False  # for a flag's value; for more pairs of one that has had one
    for word in words:
        if _FLAG.match(word):
            key, equals, inline = word.lstrip("-").partition("=")
            settings.append(f"{key.replace('-', '_')}={inline if equals else 'true'}")
            waits, pairs = not equals, False
        elif waits:
            settings[-1] = settings[-1][: -len("true")] + word
            waits, pairs = False, bool(_PAIR.match(word))
        elif pairs and _PAIR.match(word):
            settings[-1] += f" {word}"
        else:
            problem = Problem(id="usage", what=f"Stray word: {word}", hint=f"dreamboot {command} --help")
            raise DreambootError(problem, exit_code=ExitCode.USAGE)
    return tuple(settings)


def check_environment_names(args: argparse.Namespace) -> None:
    """Raises `DreambootError` for a name that could lead out of the home folder, before any command sees it."""
    for name in _environment_names(args):
        if re.fullmatch(_NAME, name) is None:
            raise DreambootError(
                Problem(
                    id="environment-name",
                    what=f"{name!r} is no name for an environment.",
                    cause="A name is one folder inside dreamboot's home: letters, digits, spaces, and . _ + - inside.",
                    hint="dreamboot env list   shows the names that there are",
                ),
                exit_code=ExitCode.USAGE,
            )


def _environment_names(args: argparse.Namespace) -> Iterator[str]:
    """Every environment that the arguments name; `doctor` and `patch` have "" for none."""
    if args.command in ("doctor", "patch"):
        if args.env:
            yield args.env
    elif args.command == "env":
        if hasattr(args, "name"):
            yield args.name
        for word in (getattr(args, "one", None), getattr(args, "other", None)):
            if word is not None:
                yield word.partition("@")[0]
    elif hasattr(args, "env"):
        yield args.env


def add_wish(parser: argparse.ArgumentParser) -> None:
    """What to plan for."""
    parser.add_argument(
        "--family", default="sd1", help="model family: sd1, sd2, sdxl, sd3, flux (default: %(default)s)"
    )
    parser.add_argument("--method", default="full", choices=("full", "lora"), help="fine-tune everything, or a LoRA")
    parser.add_argument("--pin", action="append", default=[], metavar="REQ", help="hold a version: torch==2.11.0")
    parser.add_argument(
        "--device", default="", choices=("", "cpu", "cuda", "rocm", "xpu", "mps"), help="force a device"
    )
    parser.add_argument("--gpu", action="append", type=int, default=[], metavar="N", help="use only this GPU")
    parser.add_argument("--profile", default="", help="a named stack: seed-2022")
    parser.add_argument("--torch-index", default="", metavar="URL", help="mirror of the PyTorch index")
    parser.add_argument("--index", default="", metavar="URL", help="package index in place of the configured one")


def wish_from(args: argparse.Namespace) -> Wish:
    """The wish that those options state."""
    return Wish(
        family=args.family, method=args.method, pins=tuple(args.pin), device=args.device, gpus=tuple(args.gpu),
        profile=args.profile, torch_index=args.torch_index, index=args.index, offline=args.offline,
    )  # fmt: skip
