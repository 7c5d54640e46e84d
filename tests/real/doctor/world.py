"""Real environments to break: small ones of stub wheels, and the CPU training stack; the doctor is run as users run it."""

# ruff: noqa: E501, PTH117

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Dict

from dreamboot.host import current
from dreamboot.machine import index

ROOT = Path(__file__).resolve().parents[3]
PYTHON = sys.executable
STACK = ("torch", "diffusers", "transformers", "accelerate", "bitsandbytes", "peft", "pip")


def uv() -> str:
    import uv

    return uv.find_uv_bin()


@functools.lru_cache(maxsize=1)
def sources() -> Dict[str, str]:
    """Where this machine gets its packages from, in uv's variables: uv does not read pip's settings."""
    known = index.raw(current())
    found = {
        "UV_FIND_LINKS": ",".join(known.find_links),
        "UV_DEFAULT_INDEX": known.index_url,
        "SSL_CERT_FILE": known.certificate,
    }
    return {name: text for name, text in found.items() if text}


def run(*argv: str, **env: str) -> None:
    done = subprocess.run(argv, env={**os.environ, **sources(), **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def wheel(folder: Path, name: str, version: str, files=None, requires=(), requires_python="") -> Path:
    """A genuine wheel, small enough to build for one test: METADATA, WHEEL and RECORD with hashes."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {one}\n" for one in requires
    )
    metadata += f"Requires-Python: {requires_python}\n" if requires_python else ""
    content = {
        **(files or {f"{name.replace('-', '_')}/__init__.py": f"__version__ = '{version}'\n"}),
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in content.items():
        data = text.encode() if isinstance(text, str) else text
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    content[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in content.items():
            archive.writestr(inside, text)
    return path


def torch_files(version: str) -> dict:
    tag = version.partition("+")[2]
    cuda = f"'{tag[2:-1]}.{tag[-1]}'" if tag.startswith("cu") else "None"
    hip = f"'{tag[4:]}.0'" if tag.startswith("rocm") else "None"
    return {
        "torch/__init__.py": "from .version import __version__\n",
        "torch/version.py": f"from typing import Optional\n__version__ = '{version}'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n",
    }


class Env:
    """One virtual environment, its user's home folder, and the machine that it is stated to run on."""

    def __init__(self, root: Path, prefix: Path) -> None:
        self.root, self.prefix = root, prefix
        self.home = root / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.environ: dict = {}
        self.machine: dict = {"os": "linux", "shared_memory_mib": 8000, "ram_total_mib": 32000}
        self.data: list = []
        self.target = prefix

    @property
    def site(self) -> Path:
        return next((self.prefix / "lib").glob("python3.*/site-packages"))

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    def stub(self, name: str, version: str, files=None, requires=(), requires_python="") -> None:
        if name == "torch" and files is None:
            files = torch_files(version)
        built = wheel(self.root / "wheels", name, version, files, requires, requires_python)
        run(uv(), "pip", "install", "-q", "--python", str(self.python), "--no-deps", "--no-index", str(built))

    def install(self, *requirements: str) -> None:
        run(uv(), "pip", "install", "-q", "--python", str(self.python), "--no-deps", *requirements)

    def uninstall(self, *names: str) -> None:
        run(uv(), "pip", "uninstall", "-q", "--python", str(self.python), *names)

    def write(self, path, content) -> Path:
        """Never in place: the file may be a hard link into another environment."""
        path = Path(path) if os.path.isabs(str(path)) else self.site / path
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path):
            path.unlink()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def config(self, **settings) -> None:
        """accelerate's default configuration."""
        text = "".join(f"{key}: {value}\n" for key, value in settings.items())
        self.write(self.home / ".cache/huggingface/accelerate/default_config.yaml", text)

    def gpu(self, name: str, capability: str = "", vendor: str = "nvidia", driver: str = "590.48.01", **fields) -> None:
        self.machine.setdefault("gpus", []).append(
            {"vendor": vendor, "name": name, "compute_capability": capability, "vram_total_mib": 24000, **fields}
        )
        if driver and vendor == "nvidia":
            self.machine["drivers"] = [{"vendor": vendor, "version": driver}]

    def doctor(self, *options: str) -> dict:
        """`dreamboot doctor --json`, in a process of its own, with the user's own variables."""
        stated = self.root / "machine.json"
        stated.write_text(json.dumps(self.machine))
        kept = {
            key: value
            for key, value in os.environ.items()
            if key
            in ("PATH", "SSL_CERT_FILE", "PIP_FIND_LINKS", "UV_CACHE_DIR", "LANG", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
        }
        kept.update({name: text for name, text in sources().items() if name == "SSL_CERT_FILE"})
        kept.setdefault("UV_CACHE_DIR", str(Path("~/.cache/uv").expanduser()))
        environ = {**kept, "HOME": str(self.home), **self.environ}
        start = "import sys; sys.path[:0] = sys.argv.pop(1).split('|'); from dreamboot.cli import main; sys.exit(main(sys.argv[1:]))"
        data = [word for path in self.data for word in ("--data", str(path))]
        command = [
            PYTHON,
            "-c",
            start,
            f"{ROOT / 'installer'}|{ROOT / 'trainer'}",
            "doctor",
            "--python",
            str(self.target),
            "--json",
            "--home",
            str(self.root / "dreamboot"),
        ]
        done = subprocess.run(
            [*command, "--assume", str(stated), *data, *options],
            env=environ,
            capture_output=True,
            text=True,
            cwd=self.root,
            check=False,
        )
        assert done.stdout.startswith("{"), done.stderr
        told = json.loads(done.stdout)
        told["exit"] = done.returncode
        return told


def bad(told: dict) -> dict:
    """id → status of everything that is not in order."""
    return {one["id"]: one["status"] for one in told["findings"] if one["status"] in ("error", "crashed", "warning")}


def clone(source: Path, target: Path) -> Path:
    """The same environment by hard links: a second instead of a minute."""
    run("cp", "-al", str(source), str(target))
    for path in ("pyvenv.cfg",):
        text = (source / path).read_text()
        (target / path).unlink()
        (target / path).write_text(text)
    return target
