"""A prediction in words and tables, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.predict.moments import CLASS_IMAGES, PHOTOS, PROMPTS, SAMPLES
from dreamboot_trainer.predict.step import STEP

if TYPE_CHECKING:
    from dreamboot_trainer.predict.fit import Fit
    from dreamboot_trainer.predict.prediction import Prediction

_WHEN: Mapping[str, str] = {
    STEP: "in a step",
    PROMPTS: "while prompts are read",
    CLASS_IMAGES: "while class images are made",
    PHOTOS: "while photos are encoded",
    SAMPLES: "while samples are drawn",
}


def of_request(found: Prediction) -> list[str]:
    """Of the settings as they are, no card named."""
    return [f"Asked for: {_most(found)}.", *_tables(found)]


def of_fit(best: Fit, vram_mib: int) -> list[str]:
    """Whether the request fits, and what does where it does not. The tables are of the settings that fit."""
    card = size(vram_mib)
    if not best.settings:
        return [f"Asked for: {_most(best.prediction)}; fits {card}.", *_tables(best.prediction)]
    # Of a recording that ended where the card was full, no more is known.
    asked = f"{_most(best.asked)}; does not fit {card}" if best.asked else f"more than {card}; does not fit"
    result = "another result" if best.changes else "the same result"
    return [
        f"Asked for: {asked}.",
        f"Fits with: {fragment(best.settings)}",
        f"  {_most(best.prediction)}; {pace(best.slowdown)}; {result}.",
        *(f"  {why}" for why in best.why),
        *_tables(best.prediction),
    ]


def fragment(settings: Mapping[str, Any]) -> str:
    """Settings as flags, as `dreamboot` and the trainer take them."""
    return " ".join(f"--{name} {str(value).lower()}" for name, value in settings.items())


def pace(slowdown: float) -> str:
    """Seconds per picture with over without, in words."""
    percent = round(100 * (slowdown - 1))
    if not percent:
        return "as fast"
    return f"about {abs(percent)} % {'slower' if percent > 0 else 'faster'} (seconds per picture)"


def size(mib: int) -> str:
    """GiB with one digit, and MiB."""
    return f"{mib / 1024:.1f} GiB ({mib} MiB)"


def _most(found: Prediction) -> str:
    return f"{size(found.total)} at most, {_WHEN.get(found.moment, found.moment)}"


def _tables(found: Prediction) -> list[str]:
    parts = {**found.parts, "allocator": found.allocator, "CUDA context": found.context, "in all": found.total}
    titles = ("Most by moment", f"Most by part, {_WHEN.get(found.moment, found.moment)}")
    width = max(map(len, (*titles, *(f"  {name}" for name in (*found.moments, *parts)))))
    lines: list[str] = []
    for title, rows in zip(titles, (found.moments, parts), strict=True):
        lines += ["", f"{title:<{width}}{'GiB':>8}{'MiB':>9}"]
        lines += [f"{f'  {name}':<{width}}{mib / 1024:>8.1f}{mib:>9}" for name, mib in rows.items()]
    return lines
