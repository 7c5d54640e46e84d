"""No text makes a parser raise, and none makes it slow: random text, and recorded outputs that were cut and garbled."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamboot.machine.amd import kfd, naming, rocm_smi, rocminfo
from dreamboot.machine.indexes import constraints, pip_settings, raw, sources, uv_settings
from dreamboot.machine.names import amd_integrated, intel_kind, vendor_of
from dreamboot.machine.nvidia import nvml, proc, smi_csv, smi_errors, smi_list, smi_log, smi_table, smi_version, smi_xml
from dreamboot.machine.pci import parse_lspci, parse_pci_ids
from dreamboot.machine.probes import apple, container, cpu, engines, intel, memory, system
from dreamboot.machine.pythons import files, places, self_report
from dreamboot.machine.registry import parse_registry
from dreamboot.machine.saved import saved_output
from dreamboot.machine.sizes import mebibytes
from dreamboot.machine.stated import state_machine
from dreamboot.machine.windows_displays import parse_display_class, parse_wmi
from dreamboot.model import DreambootError

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(CAPTURES.glob("*.txt"))]
# The largest recorded output is 60 KB; a parser must be done with twice that at once.
# A trap takes minutes, or all the memory; a busy machine takes longer for what is none.
SECONDS = 10.0
Parser = Callable[[str], Any]


def refusing(parse: Parser, error: Any) -> Parser:
    """A parser whose contract allows one kind of error."""

    def quiet(text: str) -> Any:
        try:
            return parse(text)
        except error:
            return None

    return quiet


PARSERS: Dict[str, Parser] = {
    "smi csv": smi_csv.parse_csv,
    "smi refused field": smi_csv.refused_field,
    "smi table": smi_table.parse_table,
    "smi list": smi_list.parse_list,
    "smi version": smi_version.parse_version,
    "smi log": smi_log.parse_log,
    "smi xml": smi_xml.parse_xml,
    "smi errors": smi_errors.parse_errors,
    "nvml": nvml.parse_nvml,
    "proc version": proc.parse_proc_version,
    "proc information": lambda text: proc.parse_information(text, 0),
    "kfd": lambda text: kfd.read_node(text, [text], text, 0),
    "kfd properties": kfd.parse_properties,
    "rocm-smi json": rocm_smi.parse_json,
    "rocm-smi table": rocm_smi.parse_table,
    "rocminfo": rocminfo.parse_rocminfo,
    "amdgpu.ids": naming.parse_amdgpu_ids,
    "lspci": parse_lspci,
    "pci.ids": lambda text: parse_pci_ids(text, 0x10DE),
    "wmi": parse_wmi,
    "registry": parse_registry,
    "displays": parse_display_class,
    "apple": apple.parse_sysctl,
    "region": lambda text: intel.region_size(text, 2),
    "cpuinfo": cpu.parse_cpuinfo,
    "cpu list": cpu.parse_cpu_list,
    "cpu max": cpu.parse_cpu_max,
    "cpu quota": lambda text: cpu.parse_quota(text, text),
    "meminfo": memory.parse_meminfo,
    "os-release": system.parse_os_release,
    "libc": system.parse_libc,
    "windows version": system.parse_windows_version,
    "ver": system.parse_ver,
    "long paths": system.parse_long_paths,
    "cgroup": container.parse_cgroup,
    "init": container.parse_init_environment,
    "wsl": container.parse_wsl,
    "docker": lambda text: engines.parse_docker_info(text, (), toolkit=False),
    "podman": engines.parse_podman_version,
    "cdi": engines.parse_cdi,
    "py launcher": places.parse_launcher,
    "installations": places.parse_installations,
    "python report": lambda text: self_report.parse_report(text, "/x", "other"),
    "python bits": lambda text: files.parse_bits(text.encode()),
    "constraints": lambda text: constraints.parse_constraints(text, {}),
    "pip.conf": refusing(pip_settings.parse_pip_config, ValueError),
    "uv.toml": refusing(uv_settings.parse_uv_config, (ValueError, RecursionError)),
    "uv variables": lambda text: uv_settings.uv_variables({"UV_INDEX": text, "UV_FIND_LINKS": text}),
    "torch wheels": sources.torch_wheels,
    "hide": raw.hide,
    "size": mebibytes,
    "vendor": vendor_of,
    "amd name": lambda text: amd_integrated(text, ""),
    "intel name": lambda text: intel_kind(text, None, text),
    "saved": saved_output,
}


def every_parser_modules() -> Dict[str, Parser]:
    """All functions named parse_… in the machine's rooms."""
    import importlib
    import pkgutil

    from dreamboot import machine

    found: Dict[str, Parser] = {}
    for module in pkgutil.walk_packages(machine.__path__, "dreamboot.machine."):
        if not module.name.endswith("_child"):
            names = vars(importlib.import_module(module.name))
            found.update(
                {
                    f"{module.name}.{name}": names[name]
                    for name in names
                    if name.startswith("parse_") and names[name].__module__ == module.name
                }
            )
    return found


def test_no_parser_is_left_out() -> None:
    fuzzed = Path(__file__).read_text()
    left_out = [name for name in every_parser_modules() if name.rsplit(".", 1)[1] not in fuzzed]
    assert left_out == []


def quick(parse: Parser, text: str) -> None:
    begun = time.process_time()
    parse(text)
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(text=st.text(max_size=400))
def test_random_text(name: str, text: str) -> None:
    PARSERS[name](text)


@pytest.mark.parametrize("name", PARSERS)
def test_recorded_outputs_cut_and_garbled(name: str) -> None:
    chance = random.Random(name)
    for text in chance.sample(TEXTS, 25):
        cut = text[chance.randrange(len(text)) :]
        lines = cut.splitlines(keepends=True)[:400]
        chance.shuffle(lines)
        letters = list(cut[:3000])
        for _ in range(30):
            if letters:
                letters[chance.randrange(len(letters))] = chance.choice("\0|0:-[]{}<>\"' \n\t,.é€9")
        for garbled in (text, cut, text[: len(cut)], "".join(lines), "".join(letters)):
            quick(PARSERS[name], garbled)


PIECES = (
    " ",
    "\t",
    "| 0 ",
    "0",
    "9" * 50,
    "a.",
    "//",
    "://a",
    "-",
    "[",
    "{",
    '{"a":',
    "GPU 0: ",
    "  Name: ",
    "x : y\n ",
    "\n",
    "*\n",
    "HKEY_A\n  b  REG_SZ  c",
    "torch-1",
    "[index]\n",
    "&dev_",
    "Radeon ",
    "@",
    "(",
    "N/A ",
)


@pytest.mark.parametrize("name", PARSERS)
def test_long_monotonous_text_is_no_trap(name: str) -> None:
    for piece in PIECES:
        quick(PARSERS[name], piece * (60_000 // len(piece)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=True) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "vram", "version", "kind"]), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "os", "arch", "gpu", "gpus", "vram", "driver", "drivers", "cuda", "python", "pythons", "ram", "disk",
        "disks", "libc", "glibc", "wsl", "container", "indexes", "sources", "find_links", "cc", "sm", "gfx",
        "cores", "environment", "faults", "probes", "engines", "long_paths", "windows", "macos", "zzz",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_is_stated_is_a_machine_or_a_problem(data: Dict[str, Any]) -> None:
    try:
        state_machine(data)
    except DreambootError as error:
        assert error.problem.hint
