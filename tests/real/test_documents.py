"""Every command that README and docs show is run: here, or by the test that is named for it below."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.dreamboot import BOOTSTRAP, ROOT, answer

pytestmark = [pytest.mark.long, pytest.mark.real]

PAGES = ("README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))
PROGRAMS = ("python3", "python3.12", "python", "dreamboot", "docker", r"installer\setup.bat", "installer/setup.sh")
# What another test runs: the beginning of the command, and where. The first that fits counts.
ELSEWHERE = {
    "python3 installer/bootstrap.py up --photos": "tests/unit/app/test_train_download.py::"
    "test_a_hubs_model_is_downloaded_and_trained",
    "python3 installer/bootstrap.py up --yes --photos": "",  # here
    "python3 installer/bootstrap.py up --yes --dry-run": "",  # here
    "python3 installer/bootstrap.py up": "tests/real/test_up.py::test_it_ends_with_a_model_in_both_formats",
    "python3 installer/bootstrap.py test": ".ci/run",
    "python3 installer/bootstrap.py env rollback": "tests/real/building/test_env_command.py::test_rollback",
    "python3.12 FOLDER/dreamboot/installer/bootstrap.py": "tests/real/building/test_locks_and_bundle.py::"
    "test_a_bundle_goes_the_whole_way_without_any_network",
    "dreamboot bundle -o": "tests/real/building/test_locks_and_bundle.py::"
    "test_a_bundle_goes_the_whole_way_without_any_network",
    "dreamboot bundle --assume": "tests/real/building/test_sources_command.py::test_a_bundle_for_windows_is_made_here",
    "dreamboot train --in-image": "tests/containers/test_image_runs.py",
    "dreamboot train --processes 2 --sharding": "tests/real/trainer/test_sharding.py::"
    "test_killed_and_started_again_it_makes_the_losses_of_the_undisturbed_run",
    "dreamboot train --processes": "tests/real/trainer/test_several.py::test_with_restarts_it_goes_on_by_itself",
    "dreamboot train --hosts": "tests/real/trainer/test_several.py::test_two_hosts_learn_what_two_processes_do",
    "dreamboot convert my_lora": "tests/unit/trainer/convert/test_convert_lora.py",
    "python -m dreamboot_trainer fetch": "tests/unit/trainer/test_hub.py::test_a_model_arrives_whole",
    "python -m dreamboot_trainer pick": "tests/unit/trainer/test_fidelity.py::test_pick_measures_every_kept_model",
    "python -m dreamboot_trainer train --recipe flux": "tests/unit/trainer/test_families_flow.py",
    "python -m dreamboot_trainer.demo.pretrain": "tests/unit/trainer/demo/test_demo_pretrain.py",
    "docker ": "tests/containers/test_image_runs.py",
    r"installer\setup.bat": "tests/windows/test_setup_bat.py",
    "python3 tests/windows/make_root.py": "tests/windows/test_wine_root.py::test_a_complete_root_is_left_alone",
}
# Few steps: what these settings say is measured elsewhere.
SHORT = (
    "num_class_images=2", "num_inference_steps=2", "class_inference_steps=2", "validation_steps=0",
    "num_validation_images=1",
)  # fmt: skip


def shown() -> list[tuple[str, str]]:
    """(page, command) of every command in a code block, without the remark behind it."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        fenced = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
        indented = re.findall(r"^    .*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
        for line in (*"".join(fenced).splitlines(), *(line[4:] for line in indented)):
            line = re.sub(r"^(\w+=\S+ )+", "", line)
            if line.split(" ")[0] in PROGRAMS and " = " not in line:
                found.append((page, re.split(r"\s+#|;? {2,}(?=[^- ])", line)[0].strip()))
    return list(dict.fromkeys(found))


def elsewhere(command: str) -> str:
    """The test that runs it, or nothing when it is run here."""
    command = re.sub(" +", " ", command)
    return next((test for start, test in ELSEWHERE.items() if command.startswith(start)), "")


HERE = [row for row in shown() if not elsewhere(row[1])]


def test_the_pages_show_what_they_should() -> None:
    assert len(shown()) > 40
    assert len(HERE) > 25


@pytest.mark.parametrize("test", sorted({test for test in ELSEWHERE.values() if test}))
def test_what_is_run_elsewhere_is(test: str) -> None:
    path, _, name = test.partition("::")
    assert name in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("start", list(ELSEWHERE))
def test_nothing_is_excused_that_is_not_shown(start: str) -> None:
    assert any(re.sub(" +", " ", command).startswith(start) for _, command in shown())


def test_containers_are_shown_as_their_page_shows_them() -> None:
    """`tests/containers` runs what that page shows."""
    page = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
    assert [command for _, command in shown() if command.startswith("docker ") and command not in page] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Path:
    """A folder that holds everything the pages name: photos, models, a run, a log, a stated machine."""
    place = tmp_path_factory.mktemp("documents")
    demo = ROOT / "trainer" / "dreamboot_trainer" / "demo"
    shutil.copytree(demo / "subject" / "photos", place / "photos" / "rex")
    shutil.copytree(demo / "model", place / "models" / "sd15")
    settings = [
        word for setting in (*SHORT, "max_train_steps=2", "checkpointing_steps=2") for word in ("--set", setting)
    ]
    data = answer(home, "up", "--yes", "--output", str(place / "RUN"), *settings)
    shutil.copytree(place / "RUN" / "model", place / "runs" / "sks" / "model")
    # What is meant where no run is named.
    shutil.copytree(place / "RUN", home / "runs" / "rex")
    for name in ("model.safetensors", "v1-5-pruned-emaonly.safetensors", "SRC.safetensors"):
        shutil.copy(data["checkpoint"], place / name)
    grids = sorted((place / "RUN" / "samples").glob("step-*.png"))
    shutil.copy(grids[-1], place / "RUN" / "samples" / "step-000800.png")
    (place / "error.log").write_text(
        "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
    )
    for name in ("FILE", "F"):
        (place / name).write_text('os = "linux"\narch = "x86_64"\n[[pythons]]\nversion = "3.11"\n')
    return place


def words(command: str, home: Path, place: Path) -> list[str]:
    """What to start: the same words, with this checkout's programs and the folder's files."""
    given = [word.replace("~", str(place)) for word in shlex.split(command)]
    environment = answer(home, "env", "show")["environment"] if "PATH" in given else {}
    given = [str(environment.get("python", word)) if word == "PATH" else word for word in given]
    given = [{"N": "0", "SRC": "SRC.safetensors"}.get(word, word) for word in given]
    if given[:2] == ["python", "-m"]:
        return [sys.executable, *given[1:]]
    start = {"dreamboot": 1, "python3": 2}.get(given[0], 1)
    return [sys.executable, str(BOOTSTRAP), *given[start:], "--home", str(home)]


@pytest.mark.parametrize(("page", "command"), HERE, ids=[command for _, command in HERE])
def test_a_shown_command_works(page: str, command: str, home: Path, place: Path) -> None:
    line = words(command, home, place)
    if " up " in command or " train " in command:
        steps = [] if "--max-train-steps" in command or "dreamboot_trainer" in command else ["max_train_steps=2"]
        flag = [] if "dreamboot_trainer" in command else [*SHORT, *steps]
        line += [word for setting in flag for word in ("--set", setting)]
    if "--max-train-steps" in line:
        line[line.index("--max-train-steps") + 1] = "3"
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "trainer"), NO_COLOR="1")
    done = subprocess.run(
        line,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    # A doctor that finds something says so by its exit code; here it has to have looked.
    accepted = (0, 1) if "doctor" in command or "catalog check" in command else (0,)
    assert done.returncode in accepted, f"{page}: {' '.join(line)}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert done.stdout or done.stderr
