"""Progress columns that rich does not have: amounts with their own unit, and a rate."""

from __future__ import annotations

from rich.progress import ProgressColumn, Task
from rich.text import Text


class AmountColumn(ProgressColumn):
    """ "120.4/191.8 MB 11.2 MB/s" for bytes, "120/400 steps 3.1/s" for the rest."""

    def render(self, task: Task) -> Text:
        """The column's text for one task."""
        unit = str(task.fields.get("unit") or "")
        scale, unit, form = (1e6, "MB", ".1f") if unit == "bytes" else (1.0, unit, ".0f")
        total = "" if task.total is None else f"/{format(task.total / scale, form)}"
        rate = "" if not task.speed else f"  {task.speed / scale:.1f} {unit}/s"
        return Text(f"{format(task.completed / scale, form)}{total} {unit}{rate}")
