"""`dreamboot train` with two processes: really two, killed at random steps, interrupted, and on two hosts."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("torch")

from dreamboot_trainer.config_read import dump, read
from dreamboot_trainer.events import read_events
from support.stated_environment import train_command, variables, write_home
from support.tiny_sd import build_sd1, write_photos

pytestmark = [pytest.mark.real, pytest.mark.trainer]

# Enough that the last one is far away when a signal comes.
STEPS = 80
LIMIT = 120


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature model, photos and a home."""
    folder = tmp_path_factory.mktemp("inputs")
    build_sd1(folder / "model")
    write_photos(folder / "photos")
    write_home(folder / "home")
    return folder


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes that nothing disturbs, started by the command line."""
    run = make_run(inputs, tmp_path_factory.mktemp("whole") / "run")
    done = subprocess.run(
        call(inputs, run, "--processes", "2"),
        capture_output=True,
        text=True,
        env=variables(),
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + (run / "trainer.log").read_text()
    return run


def make_run(inputs: Path, run: Path) -> Path:
    changes = {
        "pretrained_model_name_or_path": inputs / "model", "instance_data_dir": inputs / "photos",
        "instance_prompt": "a photo of sks dog", "class_prompt": "a photo of a dog", "resolution": 64,
        "num_class_images": 4, "sample_batch_size": 1, "class_inference_steps": 2, "max_train_steps": STEPS,
        "train_batch_size": 1, "learning_rate": 1e-3, "num_validation_images": 0, "checkpointing_steps": 20,
        "checkpoints_total_limit": 0, "save_original": "false", "device": "cpu",
    }  # fmt: skip
    run.mkdir(parents=True)
    config = read(None, [f"{name}={value}" for name, value in changes.items()])
    (run / "config.toml").write_text(dump(config), encoding="utf-8")
    return run


def call(inputs: Path, run: Path, *more: str) -> list[str]:
    return train_command(inputs / "home", "--config", str(run / "config.toml"), *more)


def steps(run: Path) -> list[dict[str, Any]]:
    """The records of all training steps, repeated ones too."""
    if not (run / "events.jsonl").exists():
        return []
    return [r for r in read_events(run / "events.jsonl") if r["event"] == "progress" and r["stage"] == "train"]


def losses(run: Path) -> set[tuple[int, float]]:
    """As a set: a step that was repeated must have had the same loss, or the set has more."""
    return {(record["done"], record["data"]["loss"]) for record in steps(run)}


def worker(process: subprocess.Popen[str], rank: int) -> psutil.Process:
    """The trainer with this rank among what `process` started."""
    for each in psutil.Process(process.pid).children(recursive=True):
        try:
            if "dreamboot_trainer" in " ".join(each.cmdline()) and each.environ().get("RANK") == str(rank):
                return each
        except psutil.Error:
            continue
    raise AssertionError(f"rank {rank} does not run")


def started(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=variables(), preexec_fn=_hear_interrupts,  # noqa: PLW1509 - one thread here
    )  # fmt: skip


def _hear_interrupts() -> None:
    """A test run that was started in the background ignores Ctrl-C, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def when(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until it holds."""
    until = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.01)


def test_two_processes_really_run(whole: Path) -> None:
    records = read_events(whole / "events.jsonl")
    assert [r["data"]["world_size"] for r in records if r["event"] == "started" and r["stage"] == "train"] == [2]
    assert "num_processes = 2" in (whole / "resolved.toml").read_text()
    assert "num_processes = 0" in (whole / "config.toml").read_text()  # what a call adds stays out of the run's file
    assert [record["done"] for record in steps(whole)] == list(range(1, STEPS + 1))


def test_class_images_and_the_cache_are_dealt_to_the_processes(whole: Path) -> None:
    """The first process tells what it made itself: each second one of 4 class images, and of 3 photos and those."""
    told = [r for r in read_events(whole / "events.jsonl") if r["event"] == "progress"]
    assert [r["done"] for r in told if r["stage"] == "class-images"] == [2, 4]
    assert [r["done"] for r in told if r["stage"] == "cache"] == [1, 3, 4, 6]
    assert len(list((whole / "class_images").glob("*.png"))) == 4


def test_a_launcher_that_starts_one_process_is_found_out(inputs: Path, tmp_path: Path) -> None:
    """What `accelerate launch --num_processes 2` does on a CPU."""
    import sys

    run = make_run(inputs, tmp_path / "run")
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    trainer = ["-m", "dreamboot_trainer", "train", "--config", str(run / "config.toml"), "--num_processes", "2"]
    done = subprocess.run(
        [*launcher, *trainer], capture_output=True, text=True, env=variables(), timeout=LIMIT, check=False
    )
    assert done.returncode != 0
    assert "Training was to run in 2 processes but runs in 1." in done.stderr
    assert not steps(run)


def test_a_killed_process_ends_the_run_with_its_rank_and_the_command_that_goes_on(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    run = make_run(inputs, tmp_path / "run")
    chance = random.Random()
    rank, step = chance.randint(0, 1), chance.randint(1, STEPS // 2)
    print("killed: rank", rank, "after step", step)
    with started(call(inputs, run, "--processes", "2")) as process:
        when(process, lambda: len(steps(run)) >= step)
        worker(process, rank).kill()
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, said
    told = " ".join(said.split())
    assert f"rank {rank} was killed (signal 9)" in told
    assert "train --config" in told
    again = subprocess.run(
        call(inputs, run, "--processes", "2"),
        capture_output=True,
        text=True,
        env=variables(),
        timeout=LIMIT,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert losses(run) == losses(whole)


def test_with_restarts_it_goes_on_by_itself(inputs: Path, whole: Path, tmp_path: Path) -> None:
    run = make_run(inputs, tmp_path / "run")
    chance = random.Random()
    rank, step = chance.randint(0, 1), chance.randint(1, STEPS // 2)
    print("killed: rank", rank, "after step", step)
    # What is begun anew is gone on with by those that are started again, and by later calls.
    with started(call(inputs, run, "--processes", "2", "--restarts", "2", "--set", "resume=never")) as process:
        when(process, lambda: len(steps(run)) >= step)
        worker(process, rank).kill()
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    assert not (run / "earlier").exists()
    assert 'resume = "auto"' in (run / "config.toml").read_text()
    assert losses(run) == losses(whole)
    assert sum(r["event"] == "started" and r["stage"] == "train" for r in read_events(run / "events.jsonl")) == 2


def test_killed_before_training_begins_anew_it_does_not_go_on_with_the_earlier_training(
    inputs: Path, whole: Path, tmp_path: Path
) -> None:
    """While class images are made, the folder still holds the checkpoints of the earlier training."""
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    shutil.rmtree(run / "class_images")
    before = len(read_events(run / "events.jsonl"))
    more = ("--set", "resume=never", "--set", "class_inference_steps=200", "--set", "max_train_steps=4")

    def added() -> list[dict[str, Any]]:
        return list(read_events(run / "events.jsonl")[before:])

    with started(call(inputs, run, "--processes", "2", "--restarts", "2", *more)) as process:
        when(process, lambda: any(r["stage"] == "class-images" for r in added()))
        worker(process, 0).kill()
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    assert sum(r["event"] == "started" and r["stage"] == "class-images" for r in added()) == 2, "killed too late"
    assert [r["done"] for r in added() if r["event"] == "progress" and r["stage"] == "train"] == [1, 2, 3, 4]
    assert (run / "earlier" / "1" / "checkpoints").is_dir()


def test_a_loss_that_is_not_finite_is_not_tried_again(inputs: Path, tmp_path: Path) -> None:
    """New processes would go on from the same checkpoint to the same loss."""
    run = make_run(inputs, tmp_path / "run")
    more = ("--set", "learning_rate=1e30", "--set", "max_grad_norm=0", "--set", "checkpointing_steps=1")
    done = subprocess.run(
        call(inputs, run, "--processes", "2", "--restarts", "2", *more),
        capture_output=True, text=True, env=variables(), timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The loss of step" in " ".join((done.stdout + done.stderr).split())
    records = read_events(run / "events.jsonl")
    assert sum(r["event"] == "started" and r["stage"] == "train" for r in records) == 1
    assert [r["data"]["problem"]["id"] for r in records if r["event"] == "failed"] == ["loss-not-finite"]
    assert (run / "checkpoints" / "step-000001" / "state.json").is_file()


def test_a_problem_is_not_tried_again(inputs: Path, tmp_path: Path) -> None:
    """A photo goes away while it trains: whichever process meets it, new processes would meet it too."""
    photos = Path(shutil.copytree(inputs / "photos", tmp_path / "photos"))
    run = make_run(inputs, tmp_path / "run")
    more = ("--set", f"instance_data_dir={photos}", "--set", "cache_latents=false")
    with started(call(inputs, run, "--processes", "2", "--restarts", "2", *more)) as process:
        when(process, lambda: len(steps(run)) >= 1)
        for path in photos.iterdir():
            path.unlink()
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, said
    assert "is gone" in " ".join(said.split())
    records = read_events(run / "events.jsonl")
    assert sum(r["event"] == "started" and r["stage"] == "train" for r in records) == 1
    assert {r["data"]["problem"]["id"] for r in records if r["event"] == "failed"} == {"photo-missing"}


@pytest.mark.parametrize("more", [(), ("--restarts", "2")])
def test_ctrl_c_saves_once_and_ends(inputs: Path, whole: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    run = make_run(inputs, tmp_path / "run")
    config = run / "config.toml"
    # More steps than are made before the signal is heard.
    many = f"max_train_steps = {100 * STEPS}"
    text = config.read_text().replace("checkpointing_steps = 20", f"checkpointing_steps = {100 * STEPS}")
    config.write_text(text.replace(f"max_train_steps = {STEPS}", many))
    assert many in config.read_text()
    with started(call(inputs, run, "--processes", "2", *more)) as process:
        when(process, lambda: len(steps(run)) >= 1)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    saved, made = [path.name for path in (run / "checkpoints").iterdir()], len(steps(run))
    assert made < 100 * STEPS
    assert saved == [f"step-{made:06d}"]
    again = subprocess.run(
        call(inputs, run, "--processes", "2", "--set", f"max_train_steps={max(STEPS, made + 1)}"),
        capture_output=True,
        text=True,
        env=variables(),
        timeout=LIMIT,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert {step for step in losses(run) if step[0] <= STEPS} == losses(whole)


def ip(*words: str) -> bool:
    """Whether iproute2 does it."""
    try:
        return subprocess.run(["ip", *words], capture_output=True, timeout=20, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    names = (f"dreamboot-a-{os.getpid()}", f"dreamboot-b-{os.getpid()}")
    ends = (f"dba{os.getpid() % 10**7}", f"dbb{os.getpid() % 10**7}")
    try:
        made = all(ip("netns", "add", name) for name in names)
        made = made and ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for name, end, address in zip(names, ends, ("10.77.0.1/24", "10.77.0.2/24"), strict=True):
            made = made and ip("link", "set", end, "netns", name)
            made = made and ip("-n", name, "addr", "add", address, "dev", end)
            made = made and ip("-n", name, "link", "set", end, "up") and ip("-n", name, "link", "set", "lo", "up")
        if not made:
            pytest.skip("network namespaces can't be made here")
        yield names
    finally:
        for name in names:
            ip("netns", "del", name)


def on_host(inputs: Path, run: Path, hosts: tuple[str, str], rank: int, *more: str) -> subprocess.Popen[str]:
    address = ("--hosts", "2", "--host-rank", str(rank), "--main-address", "10.77.0.1:29500")
    return started(["ip", "netns", "exec", hosts[rank], *call(inputs, run, "--processes", "1", *address, *more)])


def test_two_hosts_learn_what_two_processes_do(
    inputs: Path, whole: Path, hosts: tuple[str, str], tmp_path: Path
) -> None:
    run = make_run(inputs, tmp_path / "run")
    with on_host(inputs, run, hosts, 0) as first, on_host(inputs, run, hosts, 1) as second:
        said = [process.communicate(timeout=LIMIT)[0] for process in (first, second)]
    logs = [path.read_text() for path in run.glob("trainer*.log")]
    assert (first.returncode, second.returncode) == (0, 0), (said, logs)
    assert losses(run) == losses(whole)
    # One writer: each step was told once.
    assert len(steps(run)) == STEPS
    assert (run / "model" / "model_index.json").is_file()


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_both_hosts_with_the_cause(
    inputs: Path, whole: Path, hosts: tuple[str, str], tmp_path: Path, killed: int
) -> None:
    """Its own host names the rank, the other one says that it was lost; the same commands then go on."""
    run = make_run(inputs, tmp_path / "run")
    with on_host(inputs, run, hosts, 0) as first, on_host(inputs, run, hosts, 1) as second:
        processes = (first, second)
        when(first, lambda: len(steps(run)) >= 21)
        worker(processes[killed], killed).kill()
        said = [" ".join(process.communicate(timeout=LIMIT)[0].split()) for process in processes]
    assert (first.returncode, second.returncode) == (1, 1), said
    assert f"rank {killed} was killed (signal 9)" in said[killed]
    assert "The connection to another host was lost" in said[1 - killed]
    assert all(f"--hosts 2 --host-rank {rank}" in told for rank, told in enumerate(said))
    with on_host(inputs, run, hosts, 0) as first, on_host(inputs, run, hosts, 1) as second:
        again = [process.communicate(timeout=LIMIT)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), again
    assert losses(run) == losses(whole)


def test_two_hosts_go_on_by_themselves_with_restarts(
    inputs: Path, whole: Path, hosts: tuple[str, str], tmp_path: Path
) -> None:
    run = make_run(inputs, tmp_path / "run")
    killed = random.Random().randint(0, 1)
    print("killed: rank", killed)
    more = ("--restarts", "2")
    with on_host(inputs, run, hosts, 0, *more) as first, on_host(inputs, run, hosts, 1, *more) as second:
        when(first, lambda: len(steps(run)) >= 21)
        worker((first, second)[killed], killed).kill()
        said = [process.communicate(timeout=LIMIT)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert losses(run) == losses(whole)
    assert len(steps(run)) > STEPS


def test_two_hosts_without_a_common_folder_are_told_so(inputs: Path, hosts: tuple[str, str], tmp_path: Path) -> None:
    one, other = make_run(inputs, tmp_path / "one"), make_run(inputs, tmp_path / "other")
    with on_host(inputs, one, hosts, 0) as first, on_host(inputs, other, hosts, 1) as second:
        for process in (first, second):
            process.communicate(timeout=LIMIT)
    assert 0 not in (first.returncode, second.returncode)
    told = [
        json.dumps(r)
        for run in (one, other)
        if (run / "events.jsonl").exists()
        for r in read_events(run / "events.jsonl")
    ]
    assert any("run-not-shared" in text for text in told)
    assert not steps(one) + steps(other)
