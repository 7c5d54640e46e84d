"""Options that several commands share: which environment, which wish."""

from __future__ import annotations

import argparse

from dreamboot.model import Wish


def add_environment(parser: argparse.ArgumentParser) -> None:
    """--env."""
    parser.add_argument("--env", default="default", metavar="NAME", help="which environment (default: %(default)s)")


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
