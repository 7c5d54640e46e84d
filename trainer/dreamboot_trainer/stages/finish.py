"""Last stages: pictures of the course, the model, and the file for other programs."""

from __future__ import annotations

from dreamboot_trainer import hub, plots, sample
from dreamboot_trainer.context import Context
from dreamboot_trainer.ema import Average
from dreamboot_trainer.events import read_training
from dreamboot_trainer.report import write_report
from dreamboot_trainer.stages.prepare import Prepared
from dreamboot_trainer.stages.training import grid_path, write_model

EVENTS = "events.jsonl"
MODEL, ORIGINAL = "model", "model.safetensors"


def save(context: Context, prepared: Prepared, average: Average | None) -> None:
    """before_after.png, loss.png and the folder model/, by the main process."""
    run, config = context.run, context.config
    context.events.started("save", "The model is written")
    if context.main:
        before, after = grid_path(run, 0), grid_path(run, config.training.max_train_steps)
        both = run / "samples" / "before_after.png"
        if sample.alike(before, after):
            sample.beside(before, after, both)
        else:
            # The wishes changed on the way: an older call's picture would show something else.
            both.unlink(missing_ok=True)
        records = read_training(run / EVENTS)
        plots.draw_loss(records, run / "plots" / "loss.png")
        plots.draw_rate(records, run / "plots" / "learning_rate.png")
    write_model(context, prepared, average, run / MODEL)
    context.events.finished("save", path=str(run / MODEL))
    context.wait()


def export(context: Context, prepared: Prepared) -> None:
    """model.safetensors and report.html, by the main process."""
    if context.main:
        run, config = context.run, context.config
        data = {"model": str(run / MODEL)}
        if config.output.save_original:
            context.events.started("export", "The file for other programs is written")
            note = prepared.method.export(prepared.pipeline, config, run / MODEL, run / ORIGINAL)
            if note:
                context.events.line("export", note)
            data["checkpoint"] = str(run / ORIGINAL)
        if config.output.push_to_hub:
            context.events.started("export", f"The result is uploaded to {config.output.hub_model_id}")
            data["hub"] = _push(context)
        data["report"] = str(write_report(config, run, read_training(run / EVENTS)))
        context.events.finished("export", **data)
    context.wait()


def _push(context: Context) -> str:
    """Upload model/; what has gone wrong there does not touch the result on the disk."""
    output, training = context.config.output, context.config.training
    message = f"DreamBooth, {training.max_train_steps} steps"
    return hub.push(context.run / MODEL, output.hub_model_id, private=output.hub_private, message=message)
