"""Installing a driver: what stands in its way."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

SYMPTOMS = (
    Symptom(
        id="drv-install-nouveau",
        area="driver",
        weight=84,
        signs=("The Nouveau kernel driver is currently in use",),
        what="The NVIDIA driver can't be installed while nouveau drives the card.",
        cause="Linux has loaded its own driver for NVIDIA cards; both can't be in use at once.",
        fix=(
            (
                "sudo apt install nvidia-driver-580",
                "the distribution's package, which puts nouveau aside by itself (take the branch that dreamboot plan names)",
            ),
            (
                "echo 'blacklist nouveau' | sudo tee /etc/modprobe.d/nouveau.conf && sudo update-initramfs -u && sudo reboot",
                "or: puts nouveau aside for NVIDIA's own installer",
            ),
        ),
        link="https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/",
        examples=(
            "ERROR: The Nouveau kernel driver is currently in use by your system.  This driver is incompatible with the NVIDIA driver.",
        ),
    ),
    Symptom(
        id="drv-dkms-build",
        area="driver",
        weight=84,
        signs=(
            "Bad return status for module build on kernel",
            "Error! Your kernel headers for kernel {kernel} cannot be found",
            "Unable to find the kernel source tree for the currently running kernel",
        ),
        leads_to=("drv-smi-no-comm-kernel",),
        what="The NVIDIA kernel module could not be built for this kernel.",
        cause="The kernel's headers are missing, or the driver is older than the kernel and does not know it.",
        fix=(
            ("sudo apt-get install linux-headers-$(uname -r)", "the headers of the running kernel"),
            (
                "sudo apt install nvidia-driver-580",
                "a newer driver (take the branch that dreamboot plan names), then a restart",
            ),
        ),
        link="https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/",
        examples=(
            "Error! Bad return status for module build on kernel: 6.8.0-45-generic (x86_64)\nConsult /var/lib/dkms/nvidia/535.183.01/build/make.log for more information.",
        ),
    ),
)
