"""Our own child processes: the same interpreter with the same packages in sight, and nothing of the user's."""

from __future__ import annotations

import os
import sys

from dreamboot.host import Completed
from dreamboot.machine.asking import Asking


def run_module(asking: Asking, module: str, *, timeout: float, stdin: str = "", **variables: str) -> Completed:
    """Run one of our modules to its end within `timeout` seconds; `variables` are added to its environment."""
    # However our packages came onto our path (a wheel, a checkout, a folder named on the command line), the child's is
    # the same; and where compiled modules go to another folder than the checkout, the child's go there too.
    environ = {**asking.environ, **variables, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    environ.pop("PYTHONHOME", None)
    prefix = ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return asking.run(sys.executable, "-s", *prefix, "-m", module, timeout=timeout, env=environ, stdin=stdin)
