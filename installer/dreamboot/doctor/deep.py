"""Tries what the environment is for: imports, products, attention, an 8-bit step; each in a child with a time limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Sequence, Set, Tuple

from dreamboot.doctor.facts.values import Facts
from dreamboot.doctor.symptoms import explain
from dreamboot.host import Host
from dreamboot.host.base import Completed
from dreamboot.model import Finding, FixStep, Problem, Status

CHILD = Path(__file__).with_name("deep_child.py")
SECONDS = 120.0
PACKAGES = {
    "torch": "torch", "torchvision": "torchvision", "numpy": "numpy", "safetensors": "safetensors",
    "transformers": "transformers", "diffusers": "diffusers", "accelerate": "accelerate", "peft": "peft",
    "bitsandbytes": "bitsandbytes", "xformers": "xformers", "pillow": "PIL",
}  # fmt: skip
# torch's own (torch.nn.attention.SDPBackend); which of them it takes by itself depends on card and precision.
BACKENDS = ("flash_attention", "efficient_attention", "cudnn_attention", "math")
AREAS = {
    "matmul": "compute-capability",
    "attention": "attention",
    "eight-bit": "bitsandbytes",
    "accelerate": "accelerate-config",
}


def run_deep(host: Host, facts: Facts, findings: Sequence[Finding]) -> Tuple[Finding, ...]:
    """One finding per test. Nothing is tried when the interpreter itself does not work."""
    blocked = [one.id for one in findings if one.id == "python-works" and one.status is Status.ERROR]
    if blocked:
        return (
            Finding(
                id="deep-import-torch", area="corrupted-install", status=Status.SKIPPED, evidence="needs python-works"
            ),
        )
    found = [
        _try(host, facts, "import", name, f"deep-import-{package}")
        for package, name in PACKAGES.items()
        if _there(facts, package)
    ]
    broken = {one.id for one in found if one.status is Status.ERROR}
    if facts.torch is None or "deep-import-torch" in broken:
        return tuple(found)
    devices = _devices(host, facts)
    found += _compute(host, facts, devices, broken)
    if _there(facts, "accelerate") and facts.accelerate.exists and "deep-import-accelerate" not in broken:
        found.append(_try(host, facts, "accelerate", facts.accelerate.path, "deep-accelerate-config"))
    return tuple(found)


def imports_after(host: Host, before: Facts, after: Facts, commands: Sequence[str]) -> Dict[str, Finding]:
    """Package → how its import went, for those that a repair changed. `commands`: what was carried out.

    Another torch changes what is compiled for it, too.
    """
    words = {word.partition("==")[0] for command in commands for word in command.split()}
    changed = {name for name in PACKAGES if name in words or before.version(name) != after.version(name)}
    if "torch" in changed:
        changed |= set(PACKAGES)
    named = [name for name in PACKAGES if name in changed and _there(after, name)]
    return {name: _try(host, after, "import", PACKAGES[name], f"deep-import-{name}") for name in named}


def _there(facts: Facts, package: str) -> bool:
    return facts.torch is not None if package == "torch" else bool(facts.version(package))


def _compute(host: Host, facts: Facts, devices: Dict[str, str], broken: Set[str]) -> List[Finding]:
    found = []
    for device in ("cpu", *devices):
        for kind in ("float32",) if device == "cpu" else ("float32", "float16", "bfloat16"):
            found.append(_try(host, facts, "matmul", f"{device}/{kind}", f"deep-matmul-{device}-{kind}"))
        found += _attention(host, facts, device, broken)
        if _there(facts, "bitsandbytes") and "deep-import-bitsandbytes" not in broken:
            found.append(_try(host, facts, "eight-bit", device, f"deep-eight-bit-{device}"))
    return found


def _attention(host: Host, facts: Facts, device: str, broken: Set[str]) -> List[Finding]:
    """Each way to compute attention that there is, against the formula; one that torch lacks there is told, not red."""
    found = [_try(host, facts, "attention", device, f"deep-attention-{device}")]
    for backend in BACKENDS if device.startswith("cuda") else ():
        found.append(_try(host, facts, "attention", f"{device}/{backend}", f"deep-attention-{device}-{backend}"))
    if _there(facts, "xformers") and device.startswith("cuda") and "deep-import-xformers" not in broken:
        found.append(_try(host, facts, "attention", f"{device}/xformers", f"deep-attention-{device}-xformers"))
    return found


def _devices(host: Host, facts: Facts) -> Dict[str, str]:
    told = _answer(_run(host, facts, "devices", ""))
    devices = told.get("devices", {})
    return {str(key): str(name) for key, name in devices.items()} if isinstance(devices, dict) else {}


def _run(host: Host, facts: Facts, test: str, argument: str) -> Completed:
    variables = {**host.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    return host.run([facts.target.python, str(CHILD), test, argument], timeout=SECONDS, env=variables)


def _answer(done: Completed) -> Dict[str, Any]:
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            try:
                told = json.loads(line)
            except ValueError:
                continue
            return told if isinstance(told, dict) else {}
    return {}


def _try(host: Host, facts: Facts, test: str, argument: str, name: str) -> Finding:
    """One child."""
    done = _run(host, facts, test, argument)
    area = AREAS.get(test, "corrupted-install")
    if done.ok:
        told = ", ".join(f"{key} {value}" for key, value in _answer(done).items())
        return Finding(
            id=name, area=area, status=Status.OK, evidence=f"{argument}: {told or 'works'} ({done.seconds:.1f} s)"
        )
    again = FixStep(
        command=f"{facts.target.python} {CHILD} {test} {argument}",
        changes="nothing: repeats the test and shows all that it prints",
    )
    return failed(name, area, f"The test '{test} {argument}' fails.", done, SECONDS, again)


def failed(name: str, area: str, what: str, done: Completed, seconds: float, again: FixStep) -> Finding:
    """The finding of a child that did not end well within `seconds`; what it printed is explained like any log."""
    if done.timed_out:
        evidence = f"no answer within {seconds:g} s"
    elif done.returncode < 0:
        evidence = f"ended by signal {-done.returncode}"
    else:
        evidence = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
    causes = explain(done.stdout + "\n" + done.stderr)
    if causes:
        cause = causes[0]
        return Finding(
            id=name, area=cause.area, status=Status.ERROR, evidence=evidence, problem=cause.problem, fix=cause.fix
        )
    problem = Problem(id=name, what=what, cause=evidence, hint=again.command)
    return Finding(id=name, area=area, status=Status.ERROR, evidence=evidence, problem=problem, fix=(again,))
