"""Several processes: how many, by which launcher, what is refused, and who was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamboot.launching.several import Launch, elastic_command, elastic_variables, require_gpus, require_sound
from dreamboot.launching.workers import killed_worker, lost_host
from dreamboot.model import DreambootError, Environment

ENVIRONMENT = Environment(name="e", root="/e", generation=1, python="/e/bin/python", plan_id="p")
SUMMARY = """
Other Failures:
[1]:
  time      : 2026-11-23_17:00:00
  host      : here
  rank      : 0 (local_rank: 0)
  exitcode  : {first} (pid: 10)
  error_file: <N/A>
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_17:00:00
  host      : here
  rank      : 1 (local_rank: 1)
  exitcode  : {second} (pid: 11)
"""


@pytest.mark.parametrize(
    ("asked", "configured", "plan", "expected"),
    [(0, 0, 1, 1), (0, 0, 2, 2), (0, 3, 2, 3), (4, 3, 2, 4), (1, 0, 2, 1)],
)
def test_the_flag_then_the_configuration_then_the_plans_gpus(asked, configured, plan, expected):
    assert Launch(processes=asked).with_processes(configured, {"num_processes": plan}).processes == expected


def test_a_configured_total_is_divided_among_the_hosts():
    launch = Launch(hosts=2, main_address="a:1").with_processes(4, {"num_processes": 1})
    assert (launch.processes, launch.total) == (2, 4)


@pytest.mark.parametrize(("launch", "elastic"), [(Launch(processes=1), False), (Launch(processes=2), True)])
def test_one_process_needs_no_meeting_point(launch, elastic):
    assert launch.elastic is elastic
    assert Launch(processes=1, restarts=1).elastic


def test_torchs_launcher_is_told_how_many_and_takes_a_free_port():
    command = elastic_command(ENVIRONMENT, Launch(processes=2, restarts=3), ["train"])
    assert command[:3] == ["/e/bin/python", "-m", "torch.distributed.run"]
    assert command[command.index("--nproc-per-node") + 1] == "2"
    assert command[command.index("--max-restarts") + 1] == "3"
    assert "--standalone" in command


def test_only_host_0_opens_the_meeting_point():
    for rank, opens in ((0, "is_host=true"), (1, "is_host=false")):
        launch = Launch(processes=1, hosts=2, host_rank=rank, main_address="127.0.0.1:29500")
        command = elastic_command(ENVIRONMENT, launch, ["train"])
        assert opens in command
        assert command[command.index("--local-addr") + 1] == "127.0.0.1"


def test_processes_on_a_cpu_are_told_so():
    assert elastic_variables(Launch(processes=2), {"use_cpu": True}) == {"ACCELERATE_USE_CPU": "true"}
    assert elastic_variables(Launch(processes=2), {"use_cpu": False}) == {}


@pytest.mark.parametrize(
    "launch",
    [
        Launch(processes=-1), Launch(restarts=-1), Launch(hosts=0), Launch(hosts=2),
        Launch(hosts=2, main_address="a"), Launch(hosts=2, main_address="a:99999"),
        Launch(hosts=2, host_rank=2, main_address="a:1"), Launch(host_rank=1),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused(launch):
    with pytest.raises(DreambootError) as caught:
        require_sound(launch)
    assert (caught.value.problem.id, int(caught.value.exit_code)) == ("launch", 2)


def test_the_killed_process_is_named_and_not_the_one_that_lost_it():
    problem = killed_worker(SUMMARY.format(first=1, second=-9), Path("run") / "config.toml")
    assert problem is not None
    assert "rank 1" in problem.what
    assert "signal 9" in problem.what
    assert "--restarts" in problem.hint


@pytest.mark.parametrize("codes", [(1, 1), (-15, 1), (1, -15)])
def test_an_error_or_an_orderly_end_is_no_kill(codes):
    assert killed_worker(SUMMARY.format(first=codes[0], second=codes[1]), Path("config.toml")) is None


def test_more_processes_than_gpus_are_refused_before_anything_is_loaded():
    with pytest.raises(DreambootError) as caught:
        require_gpus(Launch(processes=4), "cuda", 2)
    assert caught.value.problem.id == "processes-without-gpu"
    assert "--processes 2" in caught.value.problem.hint
    require_gpus(Launch(processes=2), "cuda", 2)
    require_gpus(Launch(processes=1), "cuda", 0)
    require_gpus(Launch(processes=8), "cpu", 0)


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError: [gloo/transport/tcp/pair.cc:537] Read error [10.0.0.1]:26037: Connection reset by peer. This is",
        "elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d store has failed.",
        "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.",
    ],
)
def test_a_lost_host_is_told_from_a_broken_download(line):
    assert lost_host(f"step 3\n{line}\n").id == "host-lost"
    assert lost_host("requests: Connection reset by peer while reading a wheel") is None
