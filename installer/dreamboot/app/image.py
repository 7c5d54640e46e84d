"""`build --image`: the container image for this (or a stated) machine, by the engine that is here."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List, Tuple, Union

from dreamboot.app.bundle import checkout_folder
from dreamboot.app.context import Context
from dreamboot.app.image_inside import PUBLISHED, fitting_tag
from dreamboot.building.access import split_login
from dreamboot.host.base import ProgramFailed
from dreamboot.model import DreambootError, Event, EventKind, ExitCode, Problem, Report, Wish

REPOSITORY = "dreamboot"


def build_image(context: Context, wish: Wish, name: str, tag: str) -> Iterator[Union[Event, Report]]:
    """The use case behind `dreamboot build --image`. `name` "": the one that the planner takes for this machine."""
    checkout = checkout_folder(context)
    name = name or ("cpu" if wish.device == "cpu" else _name_for(context))
    known = tuple(
        entry[: -len(".toml")] for entry in context.host.list_dir(checkout / "docker" / "machines")
        if entry.endswith(".toml")
    )  # fmt: skip
    if name not in known:
        raise DreambootError(
            Problem(
                id="image-unknown",
                what=f"There is no image named {name}.",
                cause=f"docker/machines has: {', '.join(known)}.",
                hint="dreamboot build --image cpu   (or state a machine: docker/machines/NAME.toml)",
            ),
            exit_code=ExitCode.USAGE,
        )
    tag = tag or f"{REPOSITORY}:{name}"
    engine = require_engine(context)
    configuration = context.home / "cache" / "image-pip.conf"
    folders, text = pip_configuration(context)
    command = build_command(engine, checkout, name, tag, folders, configuration)
    if context.dry_run:
        yield Report(command="build", data={"schema": 1, "command": command}, messages=(" ".join(command),))
        return
    context.host.write_bytes(configuration, text.encode(), mode=0o600)
    yield Event(kind=EventKind.STARTED, stage="image", message=f"{tag}, for the machine docker/machines/{name}.toml")
    lines: List[str] = []
    try:
        for line in context.host.stream(command, env={**context.host.environ, "DOCKER_BUILDKIT": "1"}):
            lines.append(line)
            yield Event(kind=EventKind.LINE, stage="image", message=line)
    except ProgramFailed as failed:
        raise DreambootError(_failed("\n".join(lines), failed, tag)) from failed
    finally:
        # It may name a login.
        context.host.remove(configuration)
    size = context.host.run([engine, "image", "inspect", tag, "--format", "{{.Size}}"], timeout=30).stdout.strip()
    data = {"schema": 1, "image": tag, "bytes": int(size) if size.isdigit() else None}
    yield Report(command="build", data=data, messages=(f"Image {tag}: {int(size or 0) / 1e6:.0f} MB",))


def build_command(
    engine: str, checkout: Path, name: str, tag: str, folders: Tuple[str, ...], configuration: Path
) -> List[str]:
    """The engine's own command. The first local folder of wheels travels as the build context `wheels`."""
    wheels = ["--build-context", f"wheels={folders[0]}"] if folders else []
    visible = "all" if name.startswith("cu") else "void"
    return [
        engine, "build", "--file", str(checkout / "docker" / "Dockerfile"), "--tag", tag,
        "--build-arg", f"MACHINE={name}", "--build-arg", f"NVIDIA_VISIBLE_DEVICES={visible}",
        "--secret", f"id=pip,src={configuration}", *wheels, str(checkout),
    ]  # fmt: skip


def pip_configuration(context: Context) -> Tuple[Tuple[str, ...], str]:
    """(local folders of wheels, a pip.conf that says inside of the build what this machine's pip says here)."""
    from dreamboot.machine import index

    raw = index.raw(context.host)
    folders = tuple(link for link in raw.find_links if "://" not in link and context.host.is_dir(Path(link)))
    links = (*(["/wheels"] if folders else []), *(link for link in raw.find_links if "://" in link))
    lines = ["[global]"]
    for key, items in (
        ("index-url", (raw.index_url,)),
        ("extra-index-url", tuple(url for url in raw.extra_index_urls if not url.startswith("file:"))),
        ("find-links", links),
        ("proxy", (raw.proxy,)),
        ("trusted-host", tuple(raw.trusted_hosts)),
    ):
        if any(items):
            lines.append(f"{key} = " + " ".join(item for item in items if item))
    return folders, "\n".join(lines) + "\n"


def require_engine(context: Context) -> str:
    """The engine's program; raises `DreambootError` when none is there or it does not answer."""
    engine = context.host.which("docker") or context.host.which("podman")
    if engine is None:
        raise DreambootError(
            Problem(
                id="no-container-engine",
                what="There is no container engine.",
                cause="Neither docker nor podman is on PATH.",
                hint="https://docs.docker.com/engine/install/   (or without one: dreamboot up)",
            )
        )
    answer = context.host.run([engine, "version", "--format", "{{.Server.Version}}"], timeout=20)
    if not answer.ok and engine.endswith("docker"):
        from dreamboot.doctor.symptoms import explain

        said = split_login(answer.stderr.strip())[0]
        causes = explain(said)
        raise DreambootError(
            causes[0].problem if causes else Problem(
                id="engine-not-running", what="The container engine does not answer.", cause=said[-400:],
                hint="sudo systemctl start docker   (on Windows and macOS: start Docker Desktop)",
            )
        )  # fmt: skip
    return engine


def _name_for(context: Context) -> str:
    name = fitting_tag(context.machine())
    if not name:
        raise DreambootError(
            Problem(
                id="image-none-fits",
                what="None of the images fits this machine.",
                cause=f"There are: {', '.join(PUBLISHED)}.",
                hint="dreamboot plan --explain   (it says what each GPU needs), or: dreamboot build --image cpu",
            ),
            exit_code=ExitCode.REFUSED,
        )
    return name


def _failed(said: str, failed: ProgramFailed, tag: str) -> Problem:
    from dreamboot.doctor.symptoms import explain

    causes = explain(said)
    if causes:
        return causes[0].problem
    told = [line for line in failed.tail if "ERROR" in line or "Problem:" in line or "Why:" in line]
    return Problem(
        id="image-build-failed",
        what=f"The image {tag} could not be built.",
        cause=" / ".join(told or failed.tail)[-600:],
        hint="dreamboot build --image --debug   (it shows every line)",
    )
