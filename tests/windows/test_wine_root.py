"""The maker of the Wine root: what is there stays, and the run time that it made serves what it is for."""

from __future__ import annotations

import subprocess
import sys

from support.wine import DRIVE, MAKER, WINE, in_wine, python


def test_without_a_folder_it_says_how_it_is_called():
    done = subprocess.run([sys.executable, str(MAKER)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "python3 tests/windows/make_root.py FOLDER" in done.stdout


class TestInWine:
    pytestmark = in_wine

    def test_a_complete_root_is_left_alone(self):
        before = (DRIVE / "windows/system32/ucrtbase.dll").stat().st_mtime_ns
        done = subprocess.run([sys.executable, str(MAKER), str(WINE)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("is there") == 4
        assert (DRIVE / "windows/system32/ucrtbase.dll").stat().st_mtime_ns == before

    def test_its_run_time_takes_complex_numbers_apart(self):
        """With Wine's own, this call ends the process."""
        said = python(
            "import ctypes\n"
            "lib = ctypes.CDLL('ucrtbase.dll')\n"
            "lib.crealf.restype = lib.cimagf.restype = ctypes.c_float\n"
            "class Pair(ctypes.Structure): _fields_ = [('real', ctypes.c_float), ('imaginary', ctypes.c_float)]\n"
            "lib.crealf.argtypes = lib.cimagf.argtypes = [Pair]\n"
            "print('PARTS', lib.crealf(Pair(1.5, 2.5)), lib.cimagf(Pair(1.5, 2.5)))\n"
        )
        assert "PARTS 1.5 2.5" in said
