"""Readers of files: what they find, and that nothing in a file can break them."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamboot.doctor.facts import (
    extensions,
    hub,
    integrity,
    model_files,
    packages,
    photos,
    system,
    target,
)
from dreamboot.doctor.facts import (
    settings as around,
)
from dreamboot.host import current
from dreamboot.model import DreambootError


def site_of(tmp_path, **files):
    site = tmp_path / "venv/lib/python3.11/site-packages"
    for name, text in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    site.mkdir(parents=True, exist_ok=True)
    return site


def venv(tmp_path, **settings):
    told = {"home": str(tmp_path), "include-system-site-packages": "false", "version": "3.11.7", **settings}
    site_of(tmp_path)
    (tmp_path / "venv/pyvenv.cfg").write_text("".join(f"{key} = {value}\n" for key, value in told.items()))
    (tmp_path / "venv/bin").mkdir()
    (tmp_path / "venv/bin/python").write_text("")
    return tmp_path / "venv"


class TestTarget:
    def test_an_interpreter_its_folder_and_the_trainers_folder_are_one(self, tmp_path):
        prefix = venv(tmp_path)
        found = [target.resolve(path, {}) for path in (prefix / "bin/python", prefix, tmp_path)]
        assert {one.prefix for one in found} == {str(prefix)}
        assert {one.version for one in found} == {"3.11.7"}
        assert found[0].kind == "venv"

    def test_a_lost_interpreter_is_still_an_environment(self, tmp_path):
        prefix = venv(tmp_path, home="/gone/bin")
        (prefix / "bin/python").unlink()
        for path in (prefix, prefix / "bin/python"):
            found = target.resolve(path, {})
            assert found.base_missing
            assert not found.exists

    def test_system_packages_and_the_users_come_behind(self, tmp_path):
        prefix = venv(tmp_path, **{"include-system-site-packages": "true"})
        found = target.resolve(prefix, {"HOME": "/home/u"})
        assert found.system_site
        assert found.user_site == "/home/u/.local/lib/python3.11/site-packages"
        assert not target.resolve(prefix, {"HOME": "/home/u", "PYTHONNOUSERSITE": "1"}).user_site

    def test_conda_and_portable_pythons(self, tmp_path):
        conda = tmp_path / "conda"
        (conda / "conda-meta").mkdir(parents=True)
        (conda / "conda-meta/python-3.10.14-h955ad1f_1.json").write_text("{}")
        (conda / "bin").mkdir()
        (conda / "bin/python").write_text("")
        assert (target.resolve(conda, {}).kind, target.resolve(conda, {}).version) == ("conda", "3.10.14")
        portable = tmp_path / "ComfyUI/python_embeded"
        (portable / "Lib/site-packages").mkdir(parents=True)
        for name in ("python.exe", "python312._pth", "python312.dll"):
            (portable / name).write_text("")
        found = target.resolve(tmp_path / "ComfyUI", {})
        assert (found.kind, found.version) == ("portable", "3.12")

    def test_nothing_there_is_a_problem_with_a_way_out(self, tmp_path):
        with pytest.raises(DreambootError) as caught:
            target.resolve(tmp_path / "nowhere", {})
        assert caught.value.problem.hint.startswith("dreamboot doctor --python")


class TestPackages:
    def test_metadata_is_read_up_to_the_description(self, tmp_path):
        text = "Name: My_Package\nVersion: 1.2\nRequires-Dist: torch>=2\n\nName: not this\n"
        site = site_of(tmp_path, **{"My_Package-1.2.dist-info/METADATA": text, "My_Package-1.2.dist-info/RECORD": ""})
        (found,) = packages.installed([str(site)])
        assert (found.name, found.version, found.requires, found.record) == ("my-package", "1.2", ("torch>=2",), True)

    def test_an_empty_record_folder_keeps_its_name(self, tmp_path):
        site = site_of(tmp_path)
        (site / "torch-2.6.0.dist-info").mkdir()
        (found,) = packages.installed([str(site)])
        assert (found.name, found.version, found.metadata, found.record) == ("torch", "2.6.0", False, False)

    @pytest.mark.parametrize(
        ("text", "tag"),
        [
            ("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n", "cpu"),
            ("__version__ = '2.9.0'\ncuda = '12.8'\nhip = None\n", "cu128"),
            ("__version__ = '2.10.0'\ncuda = None\nhip = '6.4.43482'\n", "rocm6.4"),
            ("__version__ = '2.8.0+xpu'\n", "xpu"),
            ("", ""),
        ],
    )
    def test_torch_tells_its_build(self, tmp_path, text, tag):
        site = site_of(tmp_path, **{"torch/version.py": text})
        assert packages.torch_copies([str(site)])[0].tag == tag

    def test_path_files_without_their_code(self, tmp_path):
        site = site_of(tmp_path, **{"a.pth": "# x\nimport os; os.x()\n/opt/other/site-packages\n"})
        assert list(packages.path_files([str(site)]).values()) == [("/opt/other/site-packages",)]

    def test_xformers_and_built_wheels_tell_their_torch(self, tmp_path):
        told = json.dumps({"version": {"torch": "2.4.0+cu121", "cuda": 1201}})
        site = site_of(
            tmp_path,
            **{
                "xformers-0.0.27.dist-info/METADATA": "Name: xformers\nVersion: 0.0.27\n",
                "xformers/cpp_lib.json": told,
                "flash_attn-2.7.4.dist-info/METADATA": "Name: flash-attn\nVersion: 2.7.4\n",
                "flash_attn-2.7.4.dist-info/direct_url.json": json.dumps(
                    {"url": "https://x/flash_attn-2.7.4+cu12torch2.5cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"}
                ),
            },
        )
        found = {one.name: one for one in extensions.extensions(packages.installed([str(site)]))}
        assert found["xformers"].torch == "2.4.0+cu121"
        assert found["flash-attn"].torch == "2.5"


class TestModelFiles:
    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=400))
    def test_no_bytes_can_break_it(self, tmp_path_factory, data):
        folder = tmp_path_factory.mktemp("m")
        for name in ("a.safetensors", "a.ckpt"):
            (folder / name).write_bytes(data)
            model_files.read(str(folder / name))

    @pytest.mark.parametrize("header", ["[]", "3", '{"a": 1}', '{"a": {"data_offsets": [0]}}', "{", "nul"])
    def test_a_header_that_is_no_header(self, tmp_path, header):
        data = struct.pack("<Q", len(header)) + header.encode()
        (tmp_path / "a.safetensors").write_bytes(data)
        assert "damaged" in model_files.read(str(tmp_path / "a.safetensors")).fault

    def test_an_sdxl_checkpoint_is_known_by_its_keys(self, tmp_path):
        header = json.dumps({"conditioner.embedders.0.x": {"shape": [1], "data_offsets": [0, 2]}}).encode()
        (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
        found = model_files.read(str(tmp_path / "a.safetensors"))
        assert (found.family, found.fault) == ("sdxl", "")


class TestAccelerate:
    def test_what_accelerate_writes(self):
        text = "compute_environment: LOCAL_MACHINE\ndebug: false\nfsdp_config:\n  a: 1\n"
        text += "mixed_precision: 'no' # x\n- list\n"
        assert hub.read_yaml(text) == (
            {"compute_environment": "local_machine", "debug": "false", "fsdp_config": "", "mixed_precision": "no"},
            "",
        )

    @pytest.mark.parametrize("text", ["a: b: c\n", "nonsense\n", "\tkey: 1\n", "this is: bad\n"])
    def test_what_yaml_refuses_is_named_with_its_line(self, text):
        assert hub.read_yaml(text)[1].startswith("line 1 ")

    @settings(max_examples=150, deadline=None)
    @given(st.text(max_size=300))
    def test_no_text_can_break_it(self, text):
        hub.read_yaml(text)
        hub.read_json(text)


class TestAround:
    def test_pip_reads_only_the_file_that_is_named(self, tmp_path):
        (tmp_path / "pip.conf").write_text("[install]\ntarget = /x\n")
        assert around.pip_settings({}, str(tmp_path)).values == {"target": "/x"}
        assert around.pip_settings({"PIP_CONFIG_FILE": "/dev/null"}, str(tmp_path)).values == {}
        assert around.pip_settings({"PIP_TARGET": "/y"}, "/none").read_from == {"target": "PIP_TARGET"}

    def test_a_broken_pip_conf_is_no_crash(self, tmp_path):
        (tmp_path / "pip.conf").write_text("target = without a section\n[")
        assert around.pip_settings({}, str(tmp_path)).values == {}

    def test_a_proxys_password_is_not_kept(self):
        assert (
            around.variables({"HTTPS_PROXY": "http://me:secret@proxy:3128"})["HTTPS_PROXY"] == "http://***@proxy:3128"
        )

    def test_docker_and_cdi(self, tmp_path):
        for path, text in (
            ("etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "no-such-runtime"}}}'),
            ("etc/cdi/nvidia.yaml", "mounts:\n- hostPath: /usr/lib/libcuda.so.550.0.0\n  containerPath: /x\n"),
        ):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        found = system.container(current(), str(tmp_path))
        assert found.missing_runtimes == ("nvidia",)
        assert "libcuda.so.550" in found.cdi_faults[0]
        (tmp_path / "etc/docker/daemon.json").write_text('{"runtimes": {,}}')
        assert system.container(current(), str(tmp_path)).daemon_fault

    def test_the_version_in_a_windows_library(self, tmp_path):
        data = b"MZ" + b"\0" * 100 + struct.pack("<IIII", 0xFEEF04BD, 0x10000, (14 << 16) | 44, (35208 << 16))
        (tmp_path / "msvcp140.dll").write_bytes(data)
        assert system.file_version(str(tmp_path / "msvcp140.dll")) == "14.44.35208.0"
        assert system.file_version(str(tmp_path / "none.dll")) == ""


class TestPhotos:
    @pytest.mark.parametrize(
        ("head", "kind"),
        [
            (b"\xff\xd8\xff\xe0", "jpeg"),
            (b"\x89PNG\r\n\x1a\n", "png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
            (b"\0\0\0\x18ftypheic\0\0\0\0", "heic"),
            (b"\0\0\0\x18ftypavif\0\0\0\0", "avif"),
            (b"<html>", ""),
        ],
    )
    def test_kinds_by_their_first_bytes(self, head, kind):
        assert photos.kind_of(head) == kind

    def test_heic_photos_under_a_jpeg_name_are_mislabelled(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + b"\0" * 50)
        (found,) = photos.photo_folders([str(tmp_path)])
        assert found.mislabelled


def test_a_record_that_is_no_csv_is_no_crash(tmp_path):
    site = site_of(
        tmp_path,
        **{
            "torch-1.dist-info/METADATA": "Name: torch\nVersion: 1\n",
            "torch-1.dist-info/RECORD": 'a,b\n"unclosed,,\ntorch/x.py,sha256=zz,notanumber\n',
        },
    )
    integrity.faults(packages.installed([str(site)]))


def test_what_the_system_installed_is_not_judged_by_its_record(tmp_path):
    site = tmp_path / "usr/lib/python3/dist-packages"
    (site / "numpy-1.24.dist-info").mkdir(parents=True)
    (site / "numpy-1.24.dist-info/METADATA").write_text("Name: numpy\nVersion: 1.24\n")
    (site / "numpy-1.24.dist-info/RECORD").write_text("numpy/stripped.so,sha256=x,999\n")
    assert integrity.faults(packages.installed([str(site)])) == ()


def test_the_systems_python_is_never_changed():
    from dreamboot.doctor.facts.values import Target
    from dreamboot.doctor.repair import steps_of
    from dreamboot.model import Finding, FixStep, Status

    step = FixStep(command="uv pip install x", automatic=True, arguments=("install", "x"))
    wrong = Finding(id="a", area="abi", status=Status.ERROR, fix=(step, FixStep(command="by hand")))
    assert [one.command for _, one in steps_of((wrong,), Target())] == ["uv pip install x"]
    assert steps_of((wrong,), Target(externally_managed=True)) == []
