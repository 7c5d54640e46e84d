"""Variables that name a file or folder name one that exists."""

from __future__ import annotations

import os

from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import Facts
from dreamboot.model import Status


def run(facts: Facts) -> Outcome:
    """CUDA_HOME and the certificates."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        told = facts.environ.get(name, "")
        if os.pathsep in told and facts.machine.os != "windows":
            return error(
                f"{name} holds more than one folder.",
                f"It is {told!r}; a compiler is looked for under exactly this name.",
                manual(f"export {name}=/usr/local/cuda", "one plain folder, without a colon"),
            )
    for name, path in facts.missing_paths.items():
        if name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            continue
        return warning(
            f"{name} names something that does not exist.",
            f"It is {path!r}.",
            manual(f"unset {name}", "the default is taken again"),
        )
    return ok("every variable names an existing path")


CHECK = Check(
    id="paths-exist",
    area="attention",
    why="Building flash-attn or xformers, and writing temporary files, fails far away from the wrong variable.",
    run=run,
    cases=("fa-nvcc-colon",),
    examples=(
        Case(facts=Facts(), expect=Status.OK),
        Case(facts=Facts(environ={"CUDA_HOME": ":/usr/local/cuda-11.7"}), expect=Status.ERROR),
        Case(facts=Facts(missing_paths={"TMPDIR": "/nowhere"}), expect=Status.WARNING),
    ),
)
