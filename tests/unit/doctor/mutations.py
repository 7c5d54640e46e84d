"""Ways in which a log gets changed before someone reads it; none may turn its answer into another one."""

# ruff: noqa: E501 - lines of logs in their own letters

from __future__ import annotations

import random
import textwrap
from typing import Callable, Dict, Iterator, Tuple

NOISE = (
    "INFO:root:loading tokenizer",
    "steps:  12%|#####      | 96/800 [01:12<08:49,  1.33it/s, avr_loss=0.0812]",
    "/v/lib/python3.11/site-packages/torch/functional.py:512: UserWarning: torch.meshgrid: in an upcoming release",
    "A matching Triton is not available, some optimizations will not be enabled.",
    "WARNING: The following directories listed in your path were found to be non-existent: {PosixPath('/x')}",
    "Fetching 15 files: 100%|##########| 15/15 [00:00<00:00, 5698.78it/s]",
)
WINDOWS_TEXTS = {
    "The paging file is too small for this operation to complete.": "Die Auslagerungsdatei ist zu klein, um diesen Vorgang durchzuführen.",
    "No such file or directory": "Aucun fichier ou dossier de ce type",
    "动态链接库(DLL)初始化例程失败。": "Произошел сбой в программе инициализации библиотеки динамической компоновки (DLL).",
    "Permission denied": "Keine Berechtigung",
}


def truncations(text: str) -> Iterator[Tuple[str, str]]:
    """Only the end, only the beginning, and pieces out of the middle, cut between lines and within."""
    lines = text.splitlines()
    for count in range(1, len(lines)):
        yield f"last {count} lines", "\n".join(lines[-count:])
        yield f"first {count} lines", "\n".join(lines[:count])
    size = len(text)
    for tenth in range(1, 10):
        yield f"from {tenth}0 %", text[size * tenth // 10 :]
        yield f"to {tenth}0 %", text[: size * tenth // 10]


def hard_wrapped(text: str, width: int) -> str:
    return "\n".join(line[at : at + width] for line in text.splitlines() for at in range(0, max(len(line), 1), width))


def soft_wrapped(text: str, width: int) -> str:
    return "\n".join(part for line in text.splitlines() for part in (textwrap.wrap(line, width) or [""]))


def boxed(text: str, width: int = 100) -> str:
    body = [
        part
        for line in text.splitlines()
        for part in (line[at : at + width - 4] for at in range(0, max(len(line), 1), width - 4))
    ]
    top, bottom = "╭" + "─" * (width - 2) + "╮", "╰" + "─" * (width - 2) + "╯"
    return "\n".join([top, *(f"│ {line:<{width - 4}} │" for line in body), bottom])


def stamped(text: str) -> str:
    return "\n".join(
        f"2026-11-23 12:00:{number % 60:02d},123 - INFO - {line}" for number, line in enumerate(text.splitlines())
    )


def stamped_container(text: str) -> str:
    return "\n".join(
        f"2026-11-23T12:00:{number % 60:02d}.123456789Z stdout F {line}"
        for number, line in enumerate(text.splitlines())
    )


def composed(text: str) -> str:
    return "\n".join(f"trainer-1  | {line}" for line in text.splitlines())


def ranked(text: str) -> str:
    return "\n".join(f"[rank0]: {line}" for line in text.splitlines())


def noisy(text: str) -> str:
    """Lines of other programs between; never inside of a message that runs over several lines."""
    chooser = random.Random(7)
    result = []
    for line in text.splitlines():
        result += [chooser.choice(NOISE), line]
    return "\n".join(result)


def localised(text: str) -> str:
    for english, other in WINDOWS_TEXTS.items():
        text = text.replace(english, other)
    return text


def coloured(text: str) -> str:
    return "\n".join(
        f"\x1b[31m{line[: len(line) // 2]}\x1b[0m\x1b[1m{line[len(line) // 2 :]}\x1b[0m" for line in text.splitlines()
    )


def drowned(text: str) -> str:
    return (
        "\n".join(f"step {number} loss=0.{number}" for number in range(5000))
        + "\n"
        + text
        + "\n"
        + "\n".join(f"cleanup {number}" for number in range(2000))
    )


SHAPES: Dict[str, Callable[[str], str]] = {
    "wrapped at 80": lambda text: hard_wrapped(text, 80),
    "wrapped at 47": lambda text: hard_wrapped(text, 47),
    "wrapped at words": lambda text: soft_wrapped(text, 72),
    "boxed": boxed,
    "boxed narrowly": lambda text: boxed(text, 60),
    "stamped": stamped,
    "stamped by a container engine": stamped_container,
    "compose": composed,
    "rank": ranked,
    "wrapped and stamped": lambda text: stamped(hard_wrapped(text, 70)),
    "rank in a box": lambda text: ranked(boxed(text, 80)),
    "noise between": noisy,
    "localised": localised,
    "coloured": coloured,
    "drowned": drowned,
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "quoted": lambda text: "\n".join("> " + line for line in text.splitlines()),
    "one JSON string": lambda text: (
        '{"log": "' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"}'
    ),
    "indented": lambda text: textwrap.indent(text, "    "),
    "upper case": str.upper,
}
