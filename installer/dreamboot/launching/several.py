"""Training in several processes: torch's elastic launcher, on one host or on several that meet at an address."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from dreamboot.host import network
from dreamboot.launching.trainer import PACKAGE
from dreamboot.model import DreambootError, Environment, ExitCode, Problem
from dreamboot.values import value


@value
class Launch:
    """What was asked for. `processes` are those of each host; 0 leaves it to the configuration, then to the plan."""

    processes: int = 0
    restarts: int = 0
    hosts: int = 1
    host_rank: int = 0
    main_address: str = ""

    def with_processes(self, configured: int, plan: Mapping[str, Any]) -> Launch:
        """The same with a number: as asked, else the configuration's total, else one for each of the plan's GPUs."""
        number = self.processes or configured // self.hosts or int(plan.get("num_processes") or 1)
        return dataclasses.replace(self, processes=number)

    @property
    def total(self) -> int:
        """Processes on all hosts."""
        return self.processes * self.hosts

    @property
    def elastic(self) -> bool:
        """Whether it takes the elastic launcher. One process without restarts needs no meeting point, and no port."""
        return self.total > 1 or self.restarts > 0


def require_sound(launch: Launch) -> None:
    """DreambootError for numbers that contradict each other."""
    wrong = ""
    if min(launch.processes, launch.restarts, launch.host_rank) < 0 or launch.hosts < 1:
        wrong = "--processes, --restarts and --host-rank are at least 0, --hosts at least 1."
    elif launch.host_rank >= launch.hosts:
        wrong = f"--host-rank counts from 0 to {launch.hosts - 1} with --hosts {launch.hosts}."
    elif launch.hosts > 1 and not _port(launch.main_address):
        wrong = "Several hosts meet at one: --main-address ADDRESS:PORT, the same on every host."
    if wrong:
        hint = "dreamboot train --hosts 2 --host-rank 0 --main-address 10.0.0.1:29500 ..."
        problem = Problem(id="launch", what="The processes can't be started like this.", cause=wrong, hint=hint)
        raise DreambootError(problem, exit_code=ExitCode.USAGE)


def require_gpus(launch: Launch, device: str, gpus: int) -> None:
    """DreambootError for more processes than GPUs: each takes one of its own. A CPU carries any number.

    `launch`: with its number of processes; `gpus`: how many the environment's plan uses on this host.
    """
    if device == "cpu" or launch.processes <= max(1, gpus):
        return
    raise DreambootError(
        Problem(
            id="processes-without-gpu",
            what=f"{launch.processes} processes were to train on {gpus} GPU{'' if gpus == 1 else 's'}.",
            cause="Each process takes a GPU of its own; the others would find none, once all is loaded.",
            hint=f"dreamboot train --processes {max(1, gpus)} ...   (dreamboot plan says which GPUs are used, and why)",
        ),
        exit_code=ExitCode.USAGE,
    )


def elastic_command(environment: Environment, launch: Launch, arguments: Sequence[str]) -> List[str]:
    """The trainer under `torch.distributed.run`, which accelerate's own launcher calls for several GPUs.

    Called directly, because accelerate's starts one process on a CPU, whatever number it is told.
    """
    command = [environment.python, "-m", "torch.distributed.run", "--nproc-per-node", str(launch.processes)]
    command += ["--max-restarts", str(launch.restarts)]
    if launch.hosts == 1:
        # The machine's own name may lead nowhere, as in a container.
        command += ["--standalone", "--local-addr", "127.0.0.1"]
    else:
        meeting = "true" if launch.host_rank == 0 else "false"
        command += ["--nnodes", str(launch.hosts), "--rdzv-backend", "c10d", "--rdzv-id", "dreamboot"]
        command += ["--rdzv-endpoint", launch.main_address, "--rdzv-conf", f"is_host={meeting}"]
        command += ["--local-addr", _own_address(launch)]
    return [*command, "-m", PACKAGE, *arguments]


def elastic_variables(launch: Launch, plan: Mapping[str, Any]) -> Dict[str, str]:
    """Variables of the processes: the CPU where the plan says so, and the network by which the hosts see each other."""
    variables: Dict[str, str] = {}
    if launch.restarts:
        # Processes that are started again would read the addresses of those before them in a store that they share.
        variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    if plan.get("use_cpu"):
        variables["ACCELERATE_USE_CPU"] = "true"
    if launch.hosts > 1:
        # gloo looks up the machine's name, finds 127.0.0.1 there and waits for ever.
        interface = network.interface_of(_own_address(launch))
        if interface:
            variables.update(GLOO_SOCKET_IFNAME=interface, NCCL_SOCKET_IFNAME=interface)
    return variables


def _split(address: str) -> Tuple[str, str]:
    name, _, port = address.rpartition(":")
    return name.strip("[]"), port


def _port(address: str) -> int:
    name, port = _split(address)
    return int(port) if name and port.isdigit() and int(port) < 65536 else 0


def _own_address(launch: Launch) -> str:
    """This host's address on the way to the meeting point. Nothing is sent for it."""
    name, port = _split(launch.main_address)
    try:
        return network.address_towards(name, int(port))
    except OSError as error:
        problem = Problem(
            id="main-address",
            what=f"There is no way from this host to {launch.main_address}.",
            cause=str(error),
            hint=f"ping {name}   (and give the address at which every host reaches the first one)",
        )
        raise DreambootError(problem) from error
