"""A private container engine for tests: real dockerd, buildx and compose, unpacked beside the system, never installed.

Debian's packages are downloaded by apt into a cache folder (DREAMBOOT_TEST_CACHE, default ~/.cache/dreamboot-tests) and
unpacked there. The engine has its own socket, data folder and configuration, no bridge and no firewall rules: stopping
it leaves nothing behind. `why_not()` says in one sentence why this machine can't have one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# The engine of the release after this machine's: CDI, named build contexts and bake need Docker 25 or newer.
NEWER, NEWER_PACKAGES = "trixie", ("docker.io", "docker-cli", "docker-buildx", "docker-compose")
# runc and containerd of the machine's own release fit its libc.
OWN, OWN_PACKAGES = "bookworm", ("runc", "containerd", "tini", "debootstrap")
BASE_IMAGE = "dreamboot-test/base:bookworm"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def cache_folder() -> Path:
    """Where downloads and unpacked programs are kept between runs, outside of the repository."""
    named = os.environ.get("DREAMBOOT_TEST_CACHE", "")
    return Path(named).absolute() if named else Path.home() / ".cache" / "dreamboot-tests"


def why_not(what: str = "a private container engine") -> str:
    """Why it, made of Debian's packages, can't be had here; "" when it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return f"{what} needs root on Linux"
    if not KEYRING.exists() or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return f"{what} is made of packages of Debian's archive, and this is no Debian"
    if not mirror():
        return "apt knows no Debian mirror here"
    return ""


def kernel_lacks() -> str:
    """What containers need and this kernel, or this root's rights, don't give; "" when all is there."""
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlayfs"
    if not any(Path("/sys/fs/cgroup").glob("*")):
        return "no cgroups are mounted here"
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder, name) for name in ("lower", "upper", "work", "top")}
        for place in places.values():
            place.mkdir()
        layers = "lowerdir={lower},upperdir={upper},workdir={work}".format(**places)
        # What runc does; below a chroot the last of it is refused.
        script = 'mount -t overlay overlay -o "$1" "$2" && mkdir "$2/old" && pivot_root "$2" "$2/old"'
        words = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "sh", "-c", script, "sh"]
        done = subprocess.run([*words, layers, str(places["top"])], capture_output=True, text=True, check=False)
    return f"root may not set up containers here: {done.stderr.strip()}" if done.returncode else ""


def mirror() -> str:
    """The Debian mirror that this machine's apt uses, "" for none."""
    folder = Path("/etc/apt")
    for path in (folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        for line in text.splitlines():
            found = re.match(r"(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found.group(1)
    return ""


def programs() -> Path:
    """The folder with the engine's unpacked packages; downloaded when missing. Raises when apt fails."""
    root = cache_folder() / "engine"
    if (root / "complete").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    beside = root.with_name(f"engine.{os.getpid()}")
    # The newer first: where both have a file, the own release's wins.
    for suite, packages in ((NEWER, NEWER_PACKAGES), (OWN, OWN_PACKAGES)):
        for package in download(beside / "apt" / suite, suite, packages):
            subprocess.run(["dpkg-deb", "-x", str(package), str(beside)], check=True)
    shutil.rmtree(beside / "apt")
    (beside / "complete").touch()
    try:
        beside.rename(root)
    except OSError:  # another run was faster
        shutil.rmtree(beside)
    return root


def download(folder: Path, suite: str, packages: tuple[str, ...]) -> list[Path]:
    """These packages of a release, without what they depend on, into `folder`. Raises when apt fails."""
    for name in ("state/lists/partial", "cache/archives/partial", "debs"):
        (folder / name).mkdir(parents=True)
    listing = folder / "sources.list"
    listing.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    options = {
        "Dir::State": folder / "state", "Dir::Cache": folder / "cache", "Dir::Etc::sourcelist": listing,
        "Dir::Etc::sourceparts": "-", "Dir::State::status": "/dev/null", "APT::Sandbox::User": "root",
    }  # fmt: skip
    words = [word for key, text in options.items() for word in ("-o", f"{key}={text}")]
    for command in (["update"], ["download", *packages]):
        subprocess.run(["apt-get", "-qq", *words, *command], cwd=folder / "debs", check=True, capture_output=True)
    return sorted((folder / "debs").glob("*.deb"))


class Engine:
    """One running dockerd. `folder` holds everything of it; use it as a context manager."""

    def __init__(self, folder: Path, extra_path: Path | None = None, **configuration: Any) -> None:
        self.folder = folder
        self.root = programs()
        self.socket = folder / "sock"
        # A stub `nvidia-container-runtime-hook`, say, is found through `extra_path`.
        paths = [str(extra_path)] if extra_path else []
        paths += [str(self.root / "usr" / "bin"), str(self.root / "usr" / "sbin"), os.environ["PATH"]]
        self.variables = {
            **os.environ, "PATH": os.pathsep.join(paths), "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(folder / "client"), "BUILDKIT_PROGRESS": "plain",
        }  # fmt: skip
        self._configuration = {
            "data-root": str(folder / "data"), "exec-root": str(folder / "exec"), "pidfile": str(folder / "pid"),
            "hosts": [f"unix://{self.socket}"], "storage-driver": "overlay2", "iptables": False, "ip6tables": False,
            "bridge": "none", "features": {"cdi": True, "containerd-snapshotter": False},
            "cdi-spec-dirs": [str(folder / "cdi")], **configuration,
        }  # fmt: skip

    def __enter__(self) -> Engine:  # noqa: PYI034 - typing.Self is of Python 3.11
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start dockerd and wait until it answers; raises with its log when it does not within 30 s."""
        (self.folder / "cdi").mkdir(parents=True, exist_ok=True)
        plugins = self.folder / "client" / "cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for program in (self.root / "usr" / "libexec" / "docker" / "cli-plugins").iterdir():
            if not (plugins / program.name).exists():
                (plugins / program.name).symlink_to(program)
        config = self.folder / "daemon.json"
        config.write_text(json.dumps(self._configuration))
        log = self.folder / "log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                [str(self.root / "usr" / "sbin" / "dockerd"), "--config-file", str(config)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self.variables, start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + 30
        while self.docker("version", check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError("dockerd did not start: " + log.read_text(errors="replace")[-2000:])
            time.sleep(0.2)

    def stop(self) -> None:
        """End dockerd with its containers; images stay in `folder`."""
        if self._process.poll() is None:
            running = self.docker("ps", "-q", check=False).stdout.split()
            if running:
                self.docker("kill", *running, check=False)
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def remove(self) -> None:
        """Everything of it from the disk; only after `stop`."""
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def docker(self, *words: str, check: bool = True, timeout: float = 900, **options: Any) -> Any:
        """One `docker` call; raises with what it said when `check` and it failed."""
        done = subprocess.run(
            [str(self.root / "usr" / "bin" / "docker"), *words], env=self.variables, capture_output=True, text=True,
            timeout=timeout, check=False, stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(words)}: {done.returncode}\n{(done.stdout + done.stderr)[-6000:]}")
        return done

    def have_image(self, tag: str) -> bool:
        """Whether an image of that name is there."""
        return self.docker("image", "inspect", tag, check=False).returncode == 0


def base_image(engine: Engine) -> str:
    """A Debian image in place of the public base: bootstrapped from the mirror, with this machine's certificates.

    The certificates stay in it, so it is for tests only.
    """
    if engine.have_image(BASE_IMAGE):
        return BASE_IMAGE
    archive = cache_folder() / "base-bookworm.tar"
    if not archive.exists():
        _bootstrap(engine.root, archive)
    engine.docker("import", str(archive), BASE_IMAGE)
    return BASE_IMAGE


def _bootstrap(root: Path, archive: Path) -> None:
    tree = archive.with_name(f"base.{os.getpid()}")
    shutil.rmtree(tree, ignore_errors=True)
    variables = {**os.environ, "DEBOOTSTRAP_DIR": str(root / "usr" / "share" / "debootstrap")}
    command = [str(root / "usr" / "sbin" / "debootstrap"), "--variant=minbase", f"--keyring={KEYRING}", OWN, str(tree)]
    subprocess.run([*command, mirror()], check=True, capture_output=True, env=variables)
    place = tree / CERTIFICATES.relative_to("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, place)
    own = Path("/usr/local/share/ca-certificates")
    if own.is_dir():
        shutil.copytree(own, tree / own.relative_to("/"), dirs_exist_ok=True)
    # As the public slim images are: no packages, lists or documents that only a person at a shell would read.
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(tree / folder, ignore_errors=True)
        (tree / folder).mkdir(parents=True)
    partial = archive.with_suffix(f".{os.getpid()}")
    subprocess.run(["tar", "-C", str(tree), "-cf", str(partial), "."], check=True)
    partial.rename(archive)
    shutil.rmtree(tree)
