"""accelerate can read its configuration."""

from __future__ import annotations

from typing import List

from dreamboot import catalog
from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, info, ok, remove, warning
from dreamboot.doctor.facts.values import AccelerateConfig, Facts, Package
from dreamboot.model import Status

AGAIN = "moves the file away; `accelerate config default` writes a fresh one"


def run(facts: Facts) -> Outcome:
    """Its syntax, and the keys that the installed release takes."""
    config = facts.accelerate
    if not config.exists:
        return info("accelerate has no default configuration: it asks nothing and takes its defaults")
    if config.fault:
        return error(
            "accelerate's configuration can't be read.",
            f"{config.path}: {config.fault}.",
            remove(config.path, why=AGAIN),
        )
    have = facts.version("accelerate")
    unknown = _unknown(config, have)
    if unknown:
        made = error if numbers(have) >= (0, 23) else warning
        return made(
            "accelerate's configuration was written by another version.",
            f"accelerate {have} does not know {', '.join(unknown[:4])} in {config.path}.",
            remove(config.path, why=AGAIN),
            link="https://github.com/huggingface/accelerate/pull/1935",
        )
    return ok(f"{config.path} fits accelerate {have or '(not installed)'}")


def _unknown(config: AccelerateConfig, have: str) -> List[str]:
    """Keys that no release up to the installed one took; nothing is said of releases newer than the catalog."""
    rows = catalog.load().table("accelerate")
    older = [row for row in rows if have and numbers(row.accelerate) <= numbers(have)]
    if not older:
        return []
    newest = max(older, key=lambda row: numbers(row.accelerate))
    known = {key for row in rows for key in row.keys}
    if newest is max(rows, key=lambda row: numbers(row.accelerate)) and numbers(have) > numbers(newest.accelerate):
        return [key for key in config.settings if key not in known and not key.endswith("_config")]
    return [key for key in config.settings if key not in newest.keys]


def _facts(version: str, **settings: str) -> Facts:
    return Facts(
        packages=(Package(name="accelerate", version=version),),
        accelerate=AccelerateConfig(path="/h/default_config.yaml", exists=True, settings=settings),
    )


CHECK = Check(
    id="accelerate-config",
    area="accelerate-config",
    why="All environments of a user share one file: what a newer accelerate wrote, an older one refuses.",
    run=run,
    cases=("acc-unknown-keys-kohya", "acc-no-config-device-cpu"),
    examples=(
        Case(facts=Facts(), expect=Status.INFO),
        Case(facts=_facts("0.24.1", mixed_precision="fp16"), expect=Status.OK),
        Case(facts=_facts("0.24.1", mixed_precision="fp16", zero_stage_x="1"), expect=Status.ERROR),
        Case(
            facts=Facts(accelerate=AccelerateConfig(path="/h/c.yaml", exists=True, fault="line 3 is not `key: value`")),
            expect=Status.ERROR,
        ),
    ),
)
