"""Messages as people paste them, in the wording of the real projects: the answer to each, and to its damaged copies."""

from __future__ import annotations

import json
from pathlib import Path

import mutations
import pytest

from dreamboot.doctor.symptoms import examine, explain, symptoms

PASTED = json.loads(Path(__file__).with_name("pasted.json").read_text(encoding="utf-8"))
# Lines of other programs inside of one message, or letters of another size, are another question.
SHAPES = sorted(set(mutations.SHAPES) - {"noise between", "upper case", "localised", "drowned"})
# What is left of a log after a cut may show only this: the same fault, told less exactly.
LESS_EXACT = {
    "net-runwayml": {"net-gated-token-fine-grained", "net-repo-missing"},
    "acc-device-ordinal": {"acc-nccl-timeout"},
    "bnb-no-kernel": {"cc-pascal-cu128"},
    "bnb-cuda128-dll": {"bnb-str2optimizer", "bnb-setup-failed"},
    "bnb-not-for-windows": {"win-193"},
    "bnb-source-build-no-so": {"bnb-cuda128-dll", "bnb-setup-failed"},
    "cor-file-locked": {"win-file-in-use"},
    "cpu-not-compiled": {"bnb-no-gpu"},
    "dk-disk": {"disk-hf-home"},
    "drv-none-docker": {"bnb-no-gpu"},
    "drv-smi-no-comm-kernel": {"cpu-webui-skip-cuda-test"},
    "dep-opencv-mixed": {"pkg-attribute"},
    "net-repo-missing": {"net-gated-token-fine-grained"},
    "venv-shadowed-module": {"pkg-attribute"},
    "vram-8gb-dreambooth-tab": {"vram-oom"},
    "vram-flux-24gb": {"vram-oom"},
    "cc-arch-not-in-wheel": {"cc-pascal-cu128", "cc-volta-cu130", "cc-no-kernel-image"},
    "cwm-cudnn": {"wsl-libcuda-ldconfig"},
    "dk-shm-nccl": {"acc-nccl-timeout"},
    "drv-too-old": {"acc-fp16-gpu"},
    "fa-undefined-symbol": {"win-dll-load"},
    "net-offline": {"mf-no-file"},
    "win-libtriton-dll": {"win-dll-load"},
    "mf-header-limit": {"mf-unable-to-load"},
    "mf-position-ids-missing": {"mf-sdxl-in-sd15"},
    "mf-incomplete": {"mf-unable-to-load"},
    "pkg-own-parts": {"pkg-text-encoder-lora-sd"},
    "py-platform-no-wheel": {"py-uv-no-wheel"},
    "py-too-new": {"py-311-old-torch"},
    "vram-oom": {"acc-nccl-timeout"},
    "wsl-oom-killed": {"mem-sigkill-simpletuner"},
    "xf-built-for-other-torch": {"xf-no-operator"},
}


def name_of(pasted):
    return pasted["log"].strip()[:60].replace("\n", " ")


def first(text):
    causes = explain(text)
    return causes[0].id if causes else None


@pytest.mark.parametrize("pasted", PASTED, ids=name_of)
def test_the_answer(pasted):
    assert first(pasted["log"]) == pasted["first"]


@pytest.mark.parametrize("pasted", PASTED, ids=name_of)
def test_a_changed_shape_changes_nothing(pasted):
    if ".cc:" in pasted["log"]:
        pytest.skip("a note of TensorFlow is known by its line, which wrapping takes apart")
    for shape in SHAPES:
        assert first(mutations.SHAPES[shape](pasted["log"])) == pasted["first"], shape


@pytest.mark.parametrize("pasted", [one for one in PASTED if one["first"]], ids=name_of)
def test_a_cut_gives_the_same_answer_or_none(pasted):
    right = {pasted["first"], None} | LESS_EXACT.get(pasted["first"], set())
    for how, text in mutations.truncations(pasted["log"]):
        assert first(text) in right, how


def test_every_answer_has_a_fix_and_no_hole():
    with_a_fix = {symptom.id for symptom in symptoms() if symptom.fix}
    for pasted in PASTED:
        assert pasted["first"] is None or pasted["first"] in with_a_fix


def test_tensorflow_does_not_speak_for_torch():
    note = "2024-05-01 I tensorflow/tsl/cuda/cudart_stub.cc:28] Could not find cuda drivers on your machine."
    found = examine(note)
    assert not found.causes
    assert found.harmless
    assert first(note + "\nRuntimeError: Found no NVIDIA driver on your system.") == "drv-none-docker"
