"""What every stage of a run is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.backend import Backend
from dreamboot_trainer.config import Config
from dreamboot_trainer.events import EventLog
from dreamboot_trainer.interrupts import Interrupts

if TYPE_CHECKING:
    from accelerate import Accelerator


@dataclass(slots=True)
class Context:
    """One run in one process. Only the main process writes events and files that all share."""

    config: Config
    run: Path
    events: EventLog
    interrupts: Interrupts
    accelerator: Accelerator
    backend: Backend

    @property
    def main(self) -> bool:
        """Whether this process is the one that writes."""
        return bool(self.accelerator.is_main_process)

    @property
    def process(self) -> int:
        """This process's number."""
        return int(self.accelerator.process_index)

    @property
    def processes(self) -> int:
        """How many take part."""
        return int(self.accelerator.num_processes)

    @property
    def sharded(self) -> bool:
        """Whether weights are divided among the processes: then all of them take part in whatever needs them whole."""
        return self.config.training.sharding != "none"

    def wait(self) -> None:
        """Until every process is here."""
        self.accelerator.wait_for_everyone()

    def gather(self, items: list[Any]) -> list[Any]:
        """The lists of all processes, joined."""
        if self.processes == 1:
            return items
        from accelerate.utils import gather_object

        return list(gather_object(items))
