"""The reference pages of checks and symptoms, made from the same objects that run."""

from __future__ import annotations

from typing import List

from dreamboot.doctor.areas import AREAS
from dreamboot.doctor.examine import checks
from dreamboot.doctor.symptoms import Level, symptoms


def checks_page() -> str:
    """Every check by area: what it asks, why, what it needs."""
    lines = [
        "# Checks of `dreamboot doctor`",
        "",
        "Made by `python benchmarks/doctor_pages.py` from the code; a test compares it.",
        "A check whose need failed is *skipped*; one that does not apply here is *omitted*.",
    ]
    for area in AREAS:
        found = [check for check in checks() if check.area == area]
        if not found:
            continue
        lines += ["", f"## {area}", "", "| check | asks | why | needs |", "|---|---|---|---|"]
        for check in sorted(found, key=lambda one: one.id):
            asks = (_module_sentence(check.run.__module__) or check.why).rstrip(".")
            needs = ", ".join(f"`{need}`" for need in check.requires)
            lines.append(f"| `{check.id}` | {_cell(asks)} | {_cell(check.why)} | {needs} |")
    return "\n".join(lines) + "\n"


def explain_page() -> str:
    """Every symptom by area: what is told, and the first thing to do."""
    lines = [
        "# Causes that `dreamboot explain` knows",
        "",
        "Made by `python benchmarks/doctor_pages.py` from the code; a test compares it.",
        "A name in {braces} is filled in from the log.",
    ]
    for area in AREAS:
        found = [one for one in symptoms() if one.area == area and one.level is not Level.NOISE]
        lines += ["", f"## {area}", "", "| id | what | why | first step |", "|---|---|---|---|"]
        for symptom in sorted(found, key=lambda one: one.id):
            first = symptom.fix[0][0] if symptom.fix else ""
            lines.append(f"| `{symptom.id}` | {_cell(symptom.what)} | {_cell(symptom.cause)} | {_code(first)} |")
    lines += ["", "## Recognised as harmless", ""]
    lines += [f"- {one.what}" for one in symptoms() if one.level is Level.NOISE]
    return "\n".join(lines) + "\n"


def _module_sentence(name: str) -> str:
    import sys

    lines: List[str] = (sys.modules[name].__doc__ or "").splitlines()
    return lines[0] if lines else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|").replace("\n", " ") + "`" if text else ""
