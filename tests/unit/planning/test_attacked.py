"""Machines and wishes on which the planner was once wrong, or its way out was not the shortest."""

from __future__ import annotations

import pytest

from dreamboot.catalog import load
from dreamboot.machine.stated import state_machine
from dreamboot.model import Plan, Refusal, Wish
from dreamboot.planning import plan


def stated(gpu: str, driver: str = "580.95.05", system: str = "linux", **more):
    return state_machine({"os": system, "gpu": gpu, "vram": "12 GiB", "driver": driver, "python": ["3.12.3"], **more})


def planned(*args, wish: Wish | None = None, **more):
    return plan(stated(*args, **more), wish or Wish(), load())


@pytest.mark.parametrize(
    ("gpu", "driver"),
    [
        ("NVIDIA GeForce GTX 1080", "581.29"),
        ("NVIDIA GeForce GTX 1080", "582.28"),
        ("NVIDIA GeForce GTX 1080", "580.88"),
    ],
)
def test_a_branch_is_ten_numbers_wide(gpu, driver):
    found = planned(gpu, driver, "windows 11")
    assert isinstance(found, Plan)
    assert not any("last driver branch" in warning for warning in found.warnings)


def test_the_branch_after_the_last_is_told():
    found = planned("NVIDIA GeForce GTX 1080", "591.86", "windows 11")
    assert any("R580" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "gpu", ["NVIDIA GeForce MX450", "NVIDIA T1000 8GB", "Quadro T2000 with Max-Q Design", "NVIDIA T600 Laptop GPU",
            "NVIDIA GeForce GTX 1650 Ti", "NVIDIA GeForce GTX 1630"],
)  # fmt: skip
def test_turing_without_tensor_cores_trains_in_fp32(gpu):
    assert planned(gpu).preset.mixed_precision == "no"


@pytest.mark.parametrize("gpu", ["NVIDIA GeForce RTX 2060", "Quadro RTX 4000", "Tesla T4"])
def test_turing_with_tensor_cores_trains_in_fp16(gpu):
    assert planned(gpu).preset.mixed_precision == "fp16"


@pytest.mark.parametrize(
    ("gpu", "tag"),
    [("GRID A100-10C", "cu130"), ("NVIDIA L40S-8Q", "cu130"), ("GRID V100-16C", "cu126"), ("GRID P40-4Q", "cu126")],
)
def test_a_slice_under_a_hypervisor_is_its_card(gpu, tag):
    assert planned(gpu).torch.tag == tag


def test_a_pin_below_the_floor_is_not_the_cards_fault():
    found = planned("NVIDIA GeForce RTX 3090", wish=Wish(pins=("torch==2.5.1",)))
    assert isinstance(found, Refusal)
    assert found.problem.hint.startswith("Leave --pin torch==2.5.1 out")


@pytest.mark.parametrize(
    "pin",
    [
        "transformers<5",
        "transformers~=4.57",
        "transformers==4.57.1",
        "diffusers==0.35.1",
        "diffusers<0.37",
        "peft<=0.16",
    ],
)
def test_pins_that_leave_nothing_for_the_trainer_are_refused(pin):
    found = planned("NVIDIA GeForce RTX 3090", wish=Wish(pins=(pin,)))
    assert isinstance(found, Refusal)
    assert found.problem.id == "pin-below-floor"
    assert "is planned then" in found.problem.hint


@pytest.mark.parametrize(
    "pin", ["transformers<6", "transformers~=5.3", "diffusers<0.42", "diffusers==0.41.*", "diffusers!=0.36"]
)
def test_pins_that_leave_room_are_honoured(pin):
    assert isinstance(planned("NVIDIA GeForce RTX 3090", wish=Wish(pins=(pin,))), Plan)


def test_polaris_is_known_and_has_no_build():
    found = planned("AMD Radeon RX 580", driver="")
    assert isinstance(found, Refusal)
    assert "gfx803" in found.problem.cause


def test_a_pinned_xformers_decides_the_build():
    found = planned("NVIDIA GeForce RTX 4090", driver="610.57", wish=Wish(pins=("xformers",)))
    assert found.packages["xformers"] == "==0.0.35"
    assert found.torch.tag in ("cu126", "cu128", "cu130")


def test_an_xformers_below_the_floor_is_left_out():
    found = planned("NVIDIA GeForce RTX 4090", wish=Wish(pins=("xformers==0.0.20",)))
    assert isinstance(found, Refusal)
    assert "torch==" not in found.problem.hint.split("\n")[0]
    again = planned("NVIDIA GeForce RTX 4090")
    assert isinstance(again, Plan)


def mixed(*gpus: str, driver: str = "580.95.05", wish: Wish | None = None):
    cards = [{"name": name, "vram": "12 GiB"} for name in gpus]
    machine = state_machine({"os": "linux", "gpu": cards, "driver": driver, "python": ["3.12.3"]})
    return plan(machine, wish or Wish(), load())


def test_only_the_card_without_a_common_build_is_left_out():
    found = mixed("GTX 750", "H100", "RTX 5090")
    assert isinstance(found, Plan)
    assert found.gpus == (1, 2)
    assert found.torch.version == "2.15.0"


def test_of_two_radeons_that_share_no_process_the_newer_is_taken():
    found = mixed("RX 6700 XT", "RX 7900 XTX")
    assert found.gpus == (1,)
    assert "HSA_OVERRIDE_GFX_VERSION" not in found.environment


def test_a_stated_driver_beside_a_radeon_is_nvidias():
    assert mixed("RX 7900 XTX", "RTX 4090", driver="550.54.15").torch.tag == "cu126"


def test_a_pin_on_torchvision_is_honoured_or_refused():
    refused = mixed("RTX 3090", wish=Wish(pins=("torchvision==0.23.0",)))
    assert isinstance(refused, Refusal)
    assert '--pin "torch==2.8.0"' in refused.problem.hint
    below = mixed("RTX 3090", wish=Wish(pins=("torchvision==0.15.2",)))
    assert isinstance(below, Refusal)
    assert "torch==" not in below.problem.hint
    taken = mixed("RTX 3090", wish=Wish(pins=("torchvision==0.23.0", "torch==2.8.0")))
    assert taken.packages["torchvision"].startswith("==0.23.0")


@pytest.mark.parametrize(
    "pins",
    [("torch==2.14.1", "torch==2.13.0"), ("torch @ https://example.org/torch.whl",), ("huggingface_hub<1",)],
)
def test_pins_that_no_plan_can_honour_are_refused(pins):
    assert isinstance(mixed("RTX 3090", wish=Wish(pins=pins)), Refusal)


def test_a_pinned_python_is_the_way_out_not_another_install():
    found = mixed("RTX 3090", wish=Wish(pins=("python==3.8",)))
    assert isinstance(found, Refusal)
    assert found.problem.hint.startswith("Leave --pin python==3.8 out")


def test_the_way_out_of_a_profile_that_has_no_build_is_to_leave_it():
    found = mixed("RTX 5090", wish=Wish(profile="seed-2022"))
    assert isinstance(found, Refusal)
    assert found.problem.hint.startswith("Leave --profile seed-2022 out")
    assert isinstance(mixed("RTX 5090"), Plan)


def test_a_jetson_is_not_promised_a_build_that_it_can_not_have():
    board = {"os": "linux", "arch": "aarch64", "gpu": "Jetson Orin", "driver": "540.4", "python": ["3.12.3"]}
    found = plan(state_machine(board), Wish(), load())
    assert isinstance(found, Refusal)
    assert "that gives" not in found.problem.hint
    assert "--device cpu" in found.problem.hint


@pytest.mark.parametrize(("marker", "version"), [("win32", "2.15.0"), ("linux", "2.11.0")])
def test_a_pin_for_another_system_binds_nothing_here(marker, version):
    pin = f'torch==2.11.0; sys_platform == "{marker}"'
    assert planned("NVIDIA GeForce RTX 3090", wish=Wish(pins=(pin,))).torch.version == version
