"""The Visual C++ runtime is new enough for torch."""

from __future__ import annotations

from dreamboot.catalog.versions import numbers
from dreamboot.doctor.check import Case, Check, Outcome, error, manual, ok, warning
from dreamboot.doctor.facts.values import NOT_ASKED, Facts, Torch
from dreamboot.doctor.versions import within
from dreamboot.model import Machine, Status

# torch 2.9 and triton-windows are built with Visual Studio 2022 17.10 or later: its runtime is 14.40.
NEEDED = (14, 40)
VC = manual(
    "winget install --id Microsoft.VCRedist.2015+.x64",
    "installs the current Visual C++ runtime (needs administrator rights)",
)


def applies(facts: Facts) -> bool:
    """On Windows, and not on a machine that is only stated."""
    return facts.machine.os == "windows" and facts.vc_runtime != NOT_ASKED


def run(facts: Facts) -> Outcome:
    """msvcp140.dll of the system, and a copy beside python.exe that is loaded first."""
    if not facts.vc_runtime:
        return error(
            "The Visual C++ runtime is missing.",
            "There is no msvcp140.dll in System32.",
            VC,
            link="https://aka.ms/vs/17/release/vc_redist.x64.exe",
        )
    new = facts.torch is not None and within(facts.torch.version, ">=2.9")
    if facts.bundled_vc_runtime and numbers(facts.bundled_vc_runtime) < NEEDED and new:
        return error(
            "An old Visual C++ runtime lies beside python.exe.",
            f"msvcp140.dll {facts.bundled_vc_runtime} is loaded before the system's {facts.vc_runtime}.",
            manual("copy %SystemRoot%\\System32\\msvcp140*.dll beside python.exe", "replaces the old one"),
        )
    if numbers(facts.vc_runtime) < NEEDED:
        made = error if new else warning
        return made(
            "The Visual C++ runtime is old.",
            f"Expected 14.40 or later, found {facts.vc_runtime}: torch 2.9 stops with WinError 1114.",
            VC,
            link="https://aka.ms/vs/17/release/vc_redist.x64.exe",
        )
    return ok(f"Visual C++ runtime {facts.vc_runtime}")


def _facts(own: str, torch: str, bundled: str = "") -> Facts:
    return Facts(machine=Machine(os="windows"), vc_runtime=own, bundled_vc_runtime=bundled, torch=Torch(version=torch))


CHECK = Check(
    id="windows-runtime",
    area="windows",
    why="torch's libraries are built with it; an old one ends in 'DLL initialization routine failed'.",
    run=run,
    applies=applies,
    cases=("win-c10-1114", "win-1114-localized", "win-libtriton-dll"),
    examples=(
        Case(facts=_facts("14.44.35208.0", "2.9.0"), expect=Status.OK),
        Case(facts=_facts("14.29.30133.0", "2.9.0"), expect=Status.ERROR),
        Case(facts=_facts("14.29.30133.0", "2.6.0"), expect=Status.WARNING),
        Case(facts=_facts("14.44.35208.0", "2.9.0", "14.16.0.0"), expect=Status.ERROR),
        Case(facts=_facts("", "2.6.0"), expect=Status.ERROR),
    ),
)
