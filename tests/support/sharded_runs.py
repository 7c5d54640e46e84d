"""Several training runs one after the other in the processes of one launch: a start takes longer than a short run.

Called by torch's launcher with a JSON file: [{"run": folder, "config": file, "from": a checkpoint's folder or ""}].
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path


def main(cases: list[dict[str, str]]) -> None:
    """Train each case; the first process puts the checkpoint that a case goes on from into its place."""
    from dreamboot_trainer.lean import quiet

    quiet()
    from accelerate import PartialState
    from accelerate.state import AcceleratorState

    from dreamboot_trainer.config_read import read
    from dreamboot_trainer.run import train

    state = PartialState(cpu=True)
    for case in cases:
        run = Path(case["run"])
        if case["from"] and state.is_main_process:
            shutil.copytree(case["from"], run / "checkpoints" / Path(case["from"]).name)
        state.wait_for_everyone()
        # accelerate keeps one state per process, and refuses a second run that asks for other things.
        AcceleratorState._reset_state()
        train(read(Path(case["config"]), []), run, ())


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
