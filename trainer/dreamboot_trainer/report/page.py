"""The page, in the order in which a person asks: what has come out, what now, how it came about, on what machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dreamboot_trainer import plots
from dreamboot_trainer.config import Concept, Config
from dreamboot_trainer.data.concepts import subjects
from dreamboot_trainer.data.photos import list_photos
from dreamboot_trainer.problems import TrainerError
from dreamboot_trainer.report import commands, facts, pictures
from dreamboot_trainer.report.advice import next_steps
from dreamboot_trainer.report.facts import Record
from dreamboot_trainer.report.fidelity import fidelity
from dreamboot_trainer.report.html import command, figure, paragraph, section, table, text

_PHOTOS, _GRIDS = 12, 24
"""At most so many are shown: the page is to be sent by mail."""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""The page needs nothing from anywhere, and a browser holds it to that."""


def page(config: Config, run: Path, records: Sequence[Record]) -> str:
    """The whole report as HTML."""
    concepts = _concepts(config, run)
    name = next((concept.instance_prompt for concept in concepts if concept.instance_prompt), run.name)
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    grids = pictures.grids(run)
    comparable = (run / "samples" / "before_after.png").is_file()
    content = (
        _header(config, run, records, name),
        _result(grids, comparable=comparable),
        section("What next", next_steps(config, run, concepts)),
        section("The photos it learnt from", _photos(concepts)),
        section("Samples over time", _samples(grids)),
        section("Curves", _curves(run, records)),
        section("Fidelity", fidelity(run)),
        section("Changed settings", table(facts.changed(config), ("Setting", "Value", "Default"))),
        section("To repeat it", command(commands.repeat(run))),
        section("Environment", table(facts.environment(config, run, records))),
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(name)} · training report</title><style>{style}</style></head>\n"
        f"<body><main>{''.join(content)}</main></body></html>\n"
    )


def _concepts(config: Config, run: Path) -> tuple[Concept, ...]:
    """The subjects as they were trained; where their list is gone, what the configuration says."""
    try:
        return tuple(
            Concept(
                instance_prompt=subject.instance_prompt,
                class_prompt=subject.class_prompt,
                instance_data_dir=str(subject.instance_dir),
            )
            for subject in subjects(config, run)
        )
    except TrainerError:
        data = config.data
        told = Concept(
            instance_prompt=data.instance_prompt,
            class_prompt=data.class_prompt,
            instance_data_dir=data.instance_data_dir,
        )
        return (told,)


def _header(config: Config, run: Path, records: Sequence[Record], name: str) -> str:
    found, took = facts.numbers(records), facts.lasted(facts.seconds(records))
    told = [
        ("Steps", f"{found.steps} of {config.training.max_train_steps}"),
        ("Total time", took),
        ("Time per step", "" if found.seconds_per_step is None else f"{found.seconds_per_step:.2f} s"),
        ("Peak memory", "" if not found.peak_memory_mib else facts.memory(found.peak_memory_mib)),
        ("Training", "all weights" if config.training.method == "full" else f"LoRA, rank {config.lora.lora_rank}"),
    ]
    cells = "".join(f"<div><dt>{text(key)}</dt><dd>{text(value)}</dd></div>" for key, value in told if value)
    when = facts.day(records)
    line = " · ".join(text(part) for part in (when, f"trained in {took}", run.name) if part)
    return (
        f'<header><p class="eyebrow">DreamBooth training report</p><h1>{text(name)}</h1>'
        f'<p class="quiet">{line}</p><dl class="facts">{cells}</dl></header>'
    )


def _result(grids: dict[int, Path], *, comparable: bool) -> str:
    """Before and after, where both show the same; else what the model draws now."""
    if not grids:
        said = "No samples were drawn in this run (<code>num_validation_images = 0</code>)."
        return section("Result", paragraph(f"{said} “What next” tells how to draw some."))
    last = max(grids)
    if comparable and len(grids) > 1:
        first = min(grids)
        pair = _grid(grids[first], "Before training") + _grid(grids[last], f"After {_steps(last)}")
        note = "The same prompts and the same seeds: what differs is what was learnt."
        return section("Before and after", f'<div class="pair">{pair}</div>', paragraph(note, "quiet under"))
    return section("Result", f'<div class="pair one">{_grid(grids[last], _moment(last))}</div>')


def _samples(grids: dict[int, Path]) -> str:
    shown = pictures.spread(list(grids), _GRIDS)
    cards = "".join(_grid(grids[step], _moment(step)) for step in shown)
    left = paragraph(f"{len(shown)} of {len(grids)}; all of them are in samples/.", "quiet")
    return (left if len(shown) < len(grids) else "") + (f'<div class="grids">{cards}</div>' if cards else "")


def _grid(path: Path, caption: str) -> str:
    address, width, height = pictures.grid(path)
    if not address:
        return paragraph(f"{text(caption)}: the picture {text(path.name)} cannot be read any more.", "quiet")
    return figure(address, f"Samples: {caption}", f"<b>{text(caption)}</b>", (width, height))


def _moment(step: int) -> str:
    return f"After {_steps(step)}" if step else "Before training"


def _steps(step: int) -> str:
    return f"{step} step" if step == 1 else f"{step} steps"


def _photos(concepts: Sequence[Concept]) -> str:
    """Small copies, the same share of each concept's; a sentence where the photos are gone."""
    share = max(1, _PHOTOS // max(1, len(concepts)))
    parts, left = [], _PHOTOS
    for concept in concepts:
        try:
            files = list_photos(Path(concept.instance_data_dir)).photos if concept.instance_data_dir else ()
        except TrainerError:
            files = ()
        shown = [(path, pictures.thumbnail(path)) for path in pictures.spread(files, share)[:left]] if left else []
        cells = "".join(figure(address, path.name, kind="photo") for path, address in shown if address)
        count = f"{len(files)} photo{'s' * (len(files) != 1)} of “{text(concept.instance_prompt)}”"
        if not files:
            place = text(concept.instance_data_dir or "the folder that was named")
            count = f"The photos of “{text(concept.instance_prompt)}” are no longer in {place}"
        number = sum(1 for _, address in shown if address)
        count += f"; {number} of them here." if files and number < len(files) else "."
        parts.append((f'<div class="photos">{cells}</div>' if cells else "") + paragraph(count, "quiet"))
        left -= len(shown)
    if left < _PHOTOS:
        parts.append(paragraph("This page holds small copies of the photos: mind whom you send it to.", "quiet"))
    return "".join(parts)


def _curves(run: Path, records: Sequence[Record]) -> str:
    parts = []
    loss = pictures.png(run / "plots" / "loss.png")
    if loss:
        mean = facts.numbers(records).loss
        said = "A DreamBooth loss hardly falls, as every step adds noise of another strength: the pictures tell more."
        end = "" if mean is None else f" The mean of the last tenth is {mean:.4f}."
        parts.append(figure(loss, "Training loss over steps", text(said + end), kind="plot"))
    rates = list(plots.series(records, "learning_rate").values())
    if rates and plots.constant(rates):
        parts.append(paragraph(f"The learning rate was {plots.short(rates[0])} in every step."))
    elif rates:
        address = pictures.png(run / "plots" / "learning_rate.png")
        said = f"The learning rate, from {plots.short(rates[0])} to {plots.short(rates[-1])}."
        parts.append(figure(address, "Learning rate over steps", text(said), kind="plot") if address else "")
    inside = "".join(parts)
    return f'<div class="curves">{inside}</div>' if inside else ""
