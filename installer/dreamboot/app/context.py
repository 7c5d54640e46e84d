"""What every use case is given: the host, the home folder and the answers to the common flags."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Protocol

from dreamboot.host import Host
from dreamboot.model import Machine
from dreamboot.values import value


class Confirm(Protocol):
    """Asks a person for a yes. The last line is the question; what stands before it is read first."""

    def __call__(self, question: str, default: bool = False) -> bool:
        """The answer; `default` is what a bare Enter says."""
        ...


@value
class Context:
    """One invocation. `confirm` is asked before anything irreversible: a prompt, `--yes`, or a button of a web page."""

    host: Host
    home: Path
    confirm: Confirm
    yes: bool = False
    dry_run: bool = False
    offline: bool = False
    interactive: bool = False
    debug: bool = False
    assume: Optional[Path] = None

    def machine(self) -> Machine:
        """The stated machine where one is stated, else the real one.

        Raises `DreambootError` when the stated machine can't be read.
        """
        from dreamboot import machine

        if self.assume is not None:
            return machine.assume(self.assume)
        return machine.detect(self.host, self.home, network=not self.offline)
