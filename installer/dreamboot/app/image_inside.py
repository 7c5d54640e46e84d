"""Inside a prebuilt image: its environment is taken as it is, after the machine was compared with the stated one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Generator, Iterator, Optional, Tuple, Union

from dreamboot.app.context import Context
from dreamboot.building import generations, pylock
from dreamboot.building.layout import GenerationLayout, Layout
from dreamboot.building.lock import requirement_lines
from dreamboot.building.target import target_here
from dreamboot.launching.accelerate import config_text
from dreamboot.model import (
    Cost,
    DreambootError,
    Event,
    EventKind,
    ExitCode,
    Machine,
    PackageSource,
    Plan,
    Problem,
    Python,
    Refusal,
    SourceKind,
    Vendor,
    Wish,
)  # fmt: skip
from dreamboot.values import canonical, from_json, value

# The tags that are published: docker-bake.hcl has a target for each.
PUBLISHED = ("cpu", "cu126", "cu130", "cu132", "rocm")
# Folders that a container makes on its volume.
MADE = ("cache", "envs", "runs")
VENDORS = {"cuda": Vendor.NVIDIA, "rocm": Vendor.AMD}
GPU_OPTIONS = {
    "cuda": "--gpus all",
    "rocm": "--device /dev/kfd --device /dev/dri --group-add video --group-add render",
}


@value
class Image:
    """The image that runs: its name ("cu130"), where it is published, and the generation that it was built with."""

    name: str
    repository: str
    built: GenerationLayout
    plan: Plan

    @property
    def tag(self) -> str:
        """As `docker run` is told."""
        return f"{self.repository}:{self.name}"


def image_of(context: Context) -> Optional[Image]:
    """The image that this runs in; None outside of one. Raises `DreambootError` when it is damaged."""
    environ = context.host.environ
    root = environ.get("DREAMBOOT_IMAGE", "")
    if not root:
        return None
    built = Layout(home=Path(root)).environment("default").generation(1)
    try:
        plan = from_json(Plan, json.loads(context.host.read_text(built.plan) or ""))
    except ValueError as error:
        raise DreambootError(
            Problem(
                id="image-damaged",
                what="This image has no readable plan of its environment.",
                cause=f"{built.plan}: {error}",
                hint="docker pull the image again, or build it: docker buildx bake cpu",
            )
        ) from error
    name = environ.get("DREAMBOOT_IMAGE_NAME", "") or plan.torch.tag
    return Image(name=name, repository=environ.get("DREAMBOOT_IMAGE_REPOSITORY", "dreamboot"), built=built, plan=plan)


def decide_inside(context: Context, image: Image, wish: Wish) -> Generator[Event, None, Tuple[Machine, Plan]]:
    """As `app.build.decide`: the plan is the image's, with settings for this machine. Puts it in use.

    Raises `DreambootError` (refused) when the image does not fit this machine, with the command that does.
    """
    yield Event(kind=EventKind.STARTED, stage="detect", message=f"what this machine is, for the image {image.tag}")
    machine = context.machine()
    plan = plan_inside(image, machine, wish, context.host.read_text(image.built.pylock) or "")
    require_volume(context, image)
    if not context.dry_run:
        adopt(context, image, plan)
    message = f"the image {image.tag} has torch {plan.torch.local_version}: set-up is already satisfied"
    yield Event(kind=EventKind.FINISHED, stage="detect", message=message, data={"important": True})
    for warning in plan.warnings:
        yield Event(kind=EventKind.LINE, stage="plan", message=f"note: {warning}", data={"important": True})
    return machine, plan


def plan_inside(image: Image, machine: Machine, wish: Wish, lock: str) -> Plan:
    """The image's plan with accelerate's and the trainer's settings for `machine`; pure.

    The planner is asked what it is asked everywhere, with the image's torch as the one candidate.
    """
    from dreamboot import catalog, planning

    _require_gpu(image, machine, wish)
    on_cpu = image.plan.device == "cpu" or wish.device == "cpu"
    torch = image.plan.torch
    locked = pylock.locked_files(lock, target_here(image.plan)) if lock else ()
    files = tuple(file.filename for file in locked if file.name == "torch")
    here = replace(
        machine,
        pythons=(Python(path=image.plan.python_path or "python3", version=image.plan.python),),
        sources=(PackageSource(kind=torch.source, url=torch.url, reachable=True, torch_wheels=files),),
    )
    asked = replace(wish, pins=(f"torch=={torch.version}",), device="cpu" if on_cpu else wish.device, profile="")
    decision = planning.plan(here, asked, catalog.load())
    if isinstance(decision, Refusal) or (decision.device != image.plan.device and not on_cpu):
        raise DreambootError(_does_not_fit(image, machine, decision), exit_code=ExitCode.REFUSED)
    # What was uncertain when the image was built has been settled by building it.
    warnings = tuple(said for said in decision.warnings if said not in image.plan.warnings)
    return replace(
        image.plan, preset=decision.preset, accelerate=decision.accelerate, gpus=decision.gpus, device=decision.device,
        warnings=warnings, cost=Cost(),
    )  # fmt: skip


def _require_gpu(image: Image, machine: Machine, wish: Wish) -> None:
    """A GPU image was started without its GPU: the exact option is named."""
    vendor = VENDORS.get(image.plan.device)
    if vendor is None or wish.device == "cpu" or any(gpu.vendor is vendor for gpu in machine.gpus):
        return
    faults = "; ".join(fault.cause for fault in machine.faults if fault.vendor in (vendor, None))
    words = "--device nvidia.com/gpu=all" if _podman(machine, image) else GPU_OPTIONS[image.plan.device]
    engine = "podman" if machine.container == "podman" else "docker"
    raise DreambootError(
        Problem(
            id="image-no-gpu",
            what=f"The image {image.tag} computes on a GPU, and this container was given none.",
            cause=faults or f"No {vendor.name} GPU is visible in here.",
            hint=f"{engine} run {words} --rm -v dreamboot:/data {image.tag} …   (or the image "
            f"{image.repository}:cpu; or --device cpu)",
        ),
        exit_code=ExitCode.REFUSED,
    )


def _podman(machine: Machine, image: Image) -> bool:
    return machine.container == "podman" and image.plan.device == "cuda"


def _does_not_fit(image: Image, machine: Machine, decision: Union[Plan, Refusal]) -> Problem:
    """Why, and which tag does."""
    other = fitting_tag(machine)
    cause = decision.problem.cause if isinstance(decision, Refusal) else "; ".join(decision.warnings)
    why = [row.reason for row in getattr(decision, "rejected", ()) if image.plan.torch.version in row.candidate]
    driver = next((f"driver {driver.version}" for driver in machine.drivers), "no driver")
    names = ", ".join(gpu.name for gpu in machine.gpus) or "no GPU"
    return Problem(
        id="image-does-not-fit",
        what=f"The image {image.tag} does not run on this machine ({names}, {driver}).",
        cause=" ".join(dict.fromkeys([*why[:1], cause])).strip(),
        hint=f"docker pull {image.repository}:{other}"
        if other and other != image.name
        else f"use {image.tag} on another machine, or update the driver of this one",
    )


def fitting_tag(machine: Machine) -> str:
    """The published image for a machine, as the planner decides; "" when none fits."""
    from dreamboot import catalog, planning

    sources = (PackageSource(kind=SourceKind.PYTORCH_INDEX),)
    pythons = (Python(path="python3.11", version="3.11.2"),)
    decision = planning.plan(replace(machine, sources=sources, pythons=pythons), Wish(), catalog.load())
    if isinstance(decision, Refusal):
        return ""
    tag = "rocm" if decision.torch.tag.startswith("rocm") else decision.torch.tag
    return tag if tag in PUBLISHED else ""


def require_volume(context: Context, image: Image) -> None:
    """Results need a place that outlives the container: a mounted, writable volume at the home folder.

    DREAMBOOT_EPHEMERAL=1 says that they may vanish. Raises `DreambootError`.
    """
    host, home = context.host, context.home
    # What another user's container made on the same volume is that user's.
    places = (home, *(place for place in (home / name for name in MADE) if host.exists(place)))
    closed = next((place for place in places if not host.writable(place)), None)
    if closed is not None:
        raise DreambootError(
            Problem(
                id="volume-not-writable",
                what=f"{closed} can't be written by this container's user.",
                cause="No volume is mounted there and the root is read-only, or the volume belongs to another uid.",
                hint=f"docker run -v dreamboot:{home} … {image.tag}   (a folder of yours: add --user "
                '"$(id -u):$(id -g)")',
            )
        )
    mounts = [line.split()[4:5] for line in (host.read_text(Path("/proc/self/mountinfo")) or "").splitlines()]
    if [str(home)] not in mounts and not host.environ.get("DREAMBOOT_EPHEMERAL"):
        raise DreambootError(
            Problem(
                id="volume-missing",
                what="No volume is mounted: what is trained here would vanish with the container.",
                cause=f"{home} is part of the container itself.",
                hint=f"docker run -v dreamboot:{home} … {image.tag}   (or -e DREAMBOOT_EPHEMERAL=1 when it may vanish)",
            )
        )


def adopt(context: Context, image: Image, plan: Plan) -> None:
    """Put the image's environment in use in the home on the volume: a generation whose venv is the image's.

    Raises `DreambootError` when the volume holds an environment that was built there: it is never overwritten.
    """
    host, layout = context.host, Layout(home=context.home)
    environment = layout.environment("default")
    generation = environment.generation(1)
    host.make_dir(generation.path)
    _link(context, image, generation)
    for source, place in ((image.built.pylock, generation.pylock), (image.built.constraints, generation.constraints),
                          (image.built.journal, generation.journal)):  # fmt: skip
        _write(context, place, host.read_text(source) or "")
    _write(context, generation.requirements, "\n".join(requirement_lines(plan)) + "\n")
    _write(context, generation.plan, canonical(plan) + "\n")
    _write(context, generation.accelerate, config_text(plan.accelerate))
    if generations.current_number(host, environment) != generation.number:
        generations.switch(host, environment, generation.number)


def _write(context: Context, place: Path, text: str) -> None:
    """Only what changed: several containers may share a volume."""
    if context.host.read_text(place) != text:
        context.host.write_text(place, text)


def _link(context: Context, image: Image, generation: GenerationLayout) -> None:
    """The generation's venv is a link to the image's."""
    if not context.host.exists(generation.venv):
        context.host.run(["ln", "-sfn", str(image.built.venv), str(generation.venv)])
    if context.host.real_path(generation.venv) != context.host.real_path(image.built.venv):
        raise DreambootError(
            Problem(
                id="volume-of-another-home",
                what=f"{context.home} is the home of a dreamboot outside of this image.",
                cause=f"{generation.venv} is an environment that was built there, or the volume takes no links.",
                hint=f"docker run -v dreamboot:{context.home} … {image.tag}   (a volume of its own)",
            )
        )


def take_environment(context: Context, wish: Optional[Wish] = None) -> Iterator[Event]:
    """For commands that need an environment and plan nothing themselves; nothing to do outside of an image."""
    image = image_of(context)
    if image is not None:
        yield from decide_inside(context, image, wish or Wish())
