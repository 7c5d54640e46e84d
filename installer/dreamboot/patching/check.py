"""A patch's own check (its Verify field), run by the interpreter of the environment that carries it."""

from __future__ import annotations

from typing import Mapping, Optional

from dreamboot.host import Host
from dreamboot.patching.patch import Patch

# An import of torch on a busy machine; the checks themselves take no time.
SECONDS = 600.0


def fails(host: Host, python: str, patch: Patch, variables: Optional[Mapping[str, str]] = None) -> str:
    """Why the check fails there, in one line; "" when it passes or the patch has none."""
    if not patch.verify:
        return ""
    done = host.run([python, "-I", "-c", patch.verify], timeout=SECONDS, env=variables)
    if done.ok:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
