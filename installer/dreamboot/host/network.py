"""This host's own network addresses, asked of the system; nothing is sent."""

from __future__ import annotations

import ipaddress
import socket


def address_towards(name: str, port: int) -> str:
    """The own address from which packets to that place would leave. Raises `OSError` where there is no way."""
    family, kind, _, _, target = socket.getaddrinfo(name, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as probe:
        probe.connect(target)
        return str(probe.getsockname()[0])


def interface_of(address: str) -> str:
    """The network interface that has this address; "" where none has."""
    import psutil

    wanted = ipaddress.ip_address(address)
    families = (socket.AF_INET, socket.AF_INET6)
    for name, addresses in psutil.net_if_addrs().items():
        own = (ipaddress.ip_address(each.address.split("%")[0]) for each in addresses if each.family in families)
        if wanted in own:
            return str(name)
    return ""
