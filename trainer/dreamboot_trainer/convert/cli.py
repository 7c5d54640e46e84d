"""`convert SRC DST`: the command line of the conversion. The direction follows from what SRC is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from dreamboot_trainer.convert.numbers import WISHES
from dreamboot_trainer.convert.report import Progress, Report
from dreamboot_trainer.problems import TrainerError

_DONE, _FAILED, _INTERRUPTED = 0, 1, 130
_MIB = 1 << 20


def parser() -> argparse.ArgumentParser:
    """The arguments of `convert`."""
    result = argparse.ArgumentParser(
        prog="dreamboot convert",
        description="Convert between an original-layout checkpoint (web UI, ComfyUI) and a diffusers folder, or "
        "between the kohya and the diffusers names of a LoRA. The direction follows from SRC, which stays as it is.",
    )
    result.add_argument("source", metavar="SRC", type=Path, help="a diffusers folder, a run, a checkpoint or LoRA file")
    result.add_argument(
        "output", metavar="DST", type=Path, help="a .safetensors or .ckpt file, or a folder, that does not exist"
    )
    result.add_argument(
        "--dtype",
        choices=sorted(WISHES),
        help="number format of the result; default: float16 for a checkpoint, keep for a folder or a LoRA",
    )
    result.add_argument("--ema", action="store_true", help="take the averaged (EMA) UNet weights of a checkpoint")
    result.add_argument(
        "--family", choices=("sd1", "sd2", "sdxl", "sd3", "flux"), help="refuse SRC if it is of another family"
    )
    result.add_argument("--config-dir", type=Path, metavar="FOLDER", help="a diffusers folder with the model's configs")
    result.add_argument("--tokenizer", type=Path, metavar="FOLDER", help="the tokenizer for the new diffusers folder")
    result.add_argument("--yes", action="store_true", help="replace DST if it exists")
    result.add_argument("--dry-run", action="store_true", help="check everything and say what would be written")
    result.add_argument("--json", action="store_true", help="print the report, or the problem, as JSON")
    return result


def run(args: Sequence[str]) -> int:
    """Do what the arguments (without the word convert) say; print the result; return the exit code.

    0 done, 1 a Problem (printed), 130 interrupted; argparse itself ends with 2 for wrong usage.
    """
    options = parser().parse_args(args)
    try:
        report = _convert(options)
    except TrainerError as error:
        if options.json:
            _say(json.dumps({"schema": 1, "problem": error.problem.to_json()}))
        else:
            _say(str(error.problem), error=True)
        return _FAILED
    except KeyboardInterrupt:
        _say("Interrupted. Nothing was written; the same command starts again.", error=True)
        return _INTERRUPTED
    text = _text(report)
    _say(json.dumps({**report.to_json(), "lines": text.split("\n")}) if options.json else text)
    return _DONE


def _convert(options: argparse.Namespace) -> Report:
    from dreamboot_trainer.convert import convert

    progress = None if options.json or not sys.stderr.isatty() else _progress()
    return convert(
        options.source,
        options.output,
        dtype=options.dtype,
        use_ema=options.ema,
        family=options.family,
        config_dir=options.config_dir,
        tokenizer_dir=options.tokenizer,
        overwrite=options.yes,
        dry_run=options.dry_run,
        progress=progress,
    )


def _text(report: Report) -> str:
    size = f"{report.tensors} tensors, {report.bytes / _MIB:.0f} MiB"
    if report.dry_run:
        head = f"Would convert {report.source} ({report.family}) to {report.output}: {size}. Nothing was written."
    else:
        rate = report.bytes / _MIB / max(report.seconds, 1e-3)
        head = f"Converted {report.source} ({report.family}) to {report.output}: {size}"
        head += f" in {report.seconds:.1f} s ({rate:.0f} MiB/s)."
    return "\n".join((head, *(f"Note: {note}" for note in report.notes)))


def _progress() -> Progress:
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        percent = done * 100 // max(total, 1)
        if percent != shown:
            shown = percent
            sys.stderr.write(f"\r{percent:3d} % of {total / _MIB:.0f} MiB" + ("\n" if done >= total else ""))
            sys.stderr.flush()

    return show


def _say(text: str, *, error: bool = False) -> None:
    (sys.stderr if error else sys.stdout).write(text + "\n")
