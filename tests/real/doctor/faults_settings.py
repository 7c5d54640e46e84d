"""Faults in paths, settings and accelerate's configuration."""

from __future__ import annotations


def nvjitlink_in_library_path(env):
    env.stub("torch", "2.5.1+cu124")
    env.write(env.root / "cuda/lib64/libnvJitLink.so.12", "x")
    env.environ["LD_LIBRARY_PATH"] = str(env.root / "cuda/lib64")


def stub_libcuda_in_library_path(env):
    env.stub("torch", "2.5.1+cu124")
    env.write(env.root / "cuda/lib64/stubs/libcuda.so", "x")
    env.environ["LD_LIBRARY_PATH"] = str(env.root / "cuda/lib64/stubs")


def cuda_home_with_colon(env):
    env.environ["CUDA_HOME"] = ":/usr/local/cuda-11.7"


def cuda_home_nowhere(env):
    env.environ["CUDA_HOME"] = "/usr/local/cuda-0.0"


def certificate_gone(env):
    env.environ["REQUESTS_CA_BUNDLE"] = "/gone/company.pem"


def pythonpath_with_torch(env):
    env.stub("torch", "2.6.0+cpu")
    env.write(env.root / "other/torch/version.py", "__version__ = '1.13.1'\n")
    env.environ["PYTHONPATH"] = str(env.root / "other")


def pip_target(env):
    env.write(env.home / ".config/pip/pip.conf", "[install]\ntarget = /tmp/elsewhere\n")


def pip_target_by_variable(env):
    env.environ["PIP_TARGET"] = "/tmp/elsewhere"


def pip_takes_cpu_builds(env):
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")
    env.environ["PIP_EXTRA_INDEX_URL"] = "https://download.pytorch.org/whl/cpu/"


def system_site(env):
    path = env.prefix / "pyvenv.cfg"
    path.write_text(
        path.read_text().replace("include-system-site-packages = false", "include-system-site-packages = true")
    )


def other_environment_active(env):
    env.environ["VIRTUAL_ENV"] = "/somewhere/else/venv"


def python_is_a_folder(env):
    env.environ["PYTHON"] = "/usr/bin"


def launcher_names_system_python(env):
    env.write(env.root / "webui-user.sh", '#!/bin/bash\npython_cmd="/usr/bin/python3.8"\n')


def path_file_to_conda(env):
    env.write("conda.pth", "/opt/conda/lib/python3.10/site-packages\n")


def no_pip(env):
    env.uninstall("pip")
    path = env.prefix / "pyvenv.cfg"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("uv =")))


def base_python_gone(env):
    path = env.prefix / "pyvenv.cfg"
    lines = [
        line if not line.startswith("home =") else "home = /opt/removed/python/bin"
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines))
    for name in ("python", "python3"):
        (env.prefix / "bin" / name).unlink(missing_ok=True)
        (env.prefix / "bin" / name).symlink_to("/opt/removed/python/bin/python3")


def leftover(env):
    env.stub("torch", "2.6.0+cpu")
    (env.site / "~orch-2.1.0.dist-info").mkdir()


def accelerate_unknown_key(env):
    env.stub("torch", "2.6.0+cu124")
    env.stub("accelerate", "0.24.1")
    env.config(mixed_precision="fp16", enable_cpu_affinity="false")
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")


def accelerate_broken_yaml(env):
    env.write(
        env.home / ".cache/huggingface/accelerate/default_config.yaml", "mixed_precision: 'no'\nthis is: not: yaml\n"
    )


def accelerate_many_gpus(env):
    env.config(distributed_type="MULTI_GPU", num_processes=4)
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")


def accelerate_fp16_without_gpu(env):
    env.config(mixed_precision="fp16")


def bf16_before_ampere(env):
    env.config(mixed_precision="bf16")
    env.gpu("NVIDIA GeForce RTX 2070", "7.5")


def fp16_on_gtx16(env):
    env.config(mixed_precision="fp16")
    env.gpu("NVIDIA GeForce GTX 1660 Ti", "7.5")


# fault → (the id that must name it, its status)
FAULTS = {
    nvjitlink_in_library_path: ("library-path", "error"),
    stub_libcuda_in_library_path: ("library-path", "error"),
    cuda_home_with_colon: ("paths-exist", "error"),
    cuda_home_nowhere: ("paths-exist", "warning"),
    certificate_gone: ("certificates-exist", "error"),
    pythonpath_with_torch: ("path-python-variables", "error"),
    pip_target: ("path-pip-settings", "error"),
    pip_target_by_variable: ("path-pip-settings", "error"),
    pip_takes_cpu_builds: ("pip-cpu-index", "warning"),
    system_site: ("path-system-site", "warning"),
    other_environment_active: ("path-launcher", "warning"),
    python_is_a_folder: ("path-launcher", "warning"),
    launcher_names_system_python: ("path-launcher", "warning"),
    path_file_to_conda: ("path-pth-files", "warning"),
    no_pip: ("path-pip", "warning"),
    base_python_gone: ("python-works", "error"),
    leftover: ("half-removed", "warning"),
    accelerate_unknown_key: ("accelerate-config", "error"),
    accelerate_broken_yaml: ("accelerate-config", "error"),
    accelerate_many_gpus: ("accelerate-devices", "error"),
    accelerate_fp16_without_gpu: ("accelerate-devices", "warning"),
    bf16_before_ampere: ("precision-bf16", "error"),
    fp16_on_gtx16: ("precision-fp16", "warning"),
}
# What --fix mends by itself without fetching anything.
MENDED = (system_site, path_file_to_conda, leftover, accelerate_unknown_key, accelerate_broken_yaml)
