"""Faults that a small environment can have: stub wheels with real metadata, configuration, models, photos."""

from __future__ import annotations

import json
import struct


def xformers(built):
    return {
        "xformers/__init__.py": "",
        "xformers/cpp_lib.json": json.dumps({"version": {"torch": built, "cuda": 1201, "python": "3.11.9"}}),
    }


def libraries(*names):
    return {"bitsandbytes/__init__.py": "", **{f"bitsandbytes/libbitsandbytes_{name}.so": "x" for name in names}}


def safetensors(tensors, cut=0):
    header = json.dumps(tensors).encode()
    size = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    data = struct.pack("<Q", len(header)) + header + b"\0" * size
    return data[: len(data) - cut] if cut else data


def tensor(shape, size):
    return {"dtype": "F16", "shape": shape, "data_offsets": [0, size]}


def torch(env, version):
    env.stub("torch", version)


# ---- torch against GPU and driver


def blackwell_on_cu124(env):
    torch(env, "2.6.0+cu124")
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def pascal_on_cu128(env):
    torch(env, "2.8.0+cu128")
    env.gpu("NVIDIA GeForce GTX 1080", "6.1")


def volta_on_cu130(env):
    torch(env, "2.12.0+cu130")
    env.gpu("Tesla V100-SXM2-16GB", "7.0")


def second_gpu_too_old(env):
    torch(env, "2.11.0+cu128")
    env.gpu("NVIDIA GeForce RTX 4090", "8.9")
    env.gpu("NVIDIA GeForce GTX 1080", "6.1")


def cpu_build_with_gpu(env):
    torch(env, "2.11.0+cpu")
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")


def driver_too_old(env):
    torch(env, "2.11.0+cu130")
    env.gpu("NVIDIA GeForce RTX 4090", "8.9", driver="550.54.14")


def driver_of_2019(env):
    torch(env, "2.1.2+cu121")
    env.gpu("Quadro P2000", "6.1", driver="441.66")


def cuda_build_on_amd(env):
    torch(env, "2.11.0+cu126")
    env.gpu("AMD Radeon RX 7900 XTX", vendor="amd", gfx="gfx1100")


def rocm_without_gfx1031(env):
    torch(env, "2.10.0+rocm7.0")
    env.gpu("AMD Radeon RX 6700 XT", vendor="amd", gfx="gfx1031")


def driver_split(env):
    torch(env, "2.11.0+cu126")
    env.machine["faults"] = [
        {"id": "nvidia-driver-library-mismatch", "cause": "Driver/library version mismatch", "vendor": "nvidia"}
    ]


def driver_not_loaded(env):
    env.machine["faults"] = [
        {"id": "nvidia-driver-not-running", "cause": "nvidia-smi could not talk to the driver", "vendor": "nvidia"}
    ]


def no_devices(env):
    env.machine["faults"] = [{"id": "nvidia-no-devices", "cause": "No devices were found", "vendor": "nvidia"}]


def gpus_hidden(env):
    env.gpu("NVIDIA GeForce RTX 3060", "8.6")
    env.environ["CUDA_VISIBLE_DEVICES"] = "-1"


# ---- companions of torch


def torchvision_for_other_torch(env):
    torch(env, "2.3.1+cu121")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def torchvision_for_other_cuda(env):
    torch(env, "2.2.2+cu118")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def torchvision_cuda_beside_cpu(env):
    torch(env, "2.2.2+cpu")
    env.stub(
        "torchvision",
        "0.17.2+cu121",
        {"torchvision/version.py": "__version__ = '0.17.2+cu121'\ncuda = '12.1'\n"},
        ["torch==2.2.2"],
    )


def nvjitlink_stale(env):
    env.stub("torch", "2.5.1+cu124", None, ["nvidia-nvjitlink-cu12==12.4.127; platform_system == 'Linux'"])
    env.stub("nvidia-nvjitlink-cu12", "12.1.105", {"nvidia/nvjitlink/__init__.py": ""})


def xformers_other_torch(env):
    torch(env, "2.3.1+cu121")
    env.stub("xformers", "0.0.27", xformers("2.4.0+cu121"))


def xformers_other_cuda(env):
    torch(env, "2.1.0+cu118")
    env.stub("xformers", "0.0.22", xformers("2.1.0+cu121"))


def xformers_beside_cpu(env):
    torch(env, "2.0.1+cpu")
    env.stub("xformers", "0.0.20", xformers("2.0.1+cu118"))


def xformers_pins_other(env):
    torch(env, "2.3.1+cu121")
    env.stub("xformers", "0.0.26", {"xformers/__init__.py": ""}, ["torch==2.3.0"])


def xformers_before_blackwell(env):
    torch(env, "2.7.1+cu128")
    env.stub("xformers", "0.0.29", {"xformers/__init__.py": ""})
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def flash_attn_other_torch(env):
    torch(env, "2.6.0+cu124")
    env.stub("flash-attn", "2.7.4.post1+cu12torch2.5cxx11abiFALSE", {"flash_attn/__init__.py": ""})


def flash_attn_refused(env):
    torch(env, "2.7.0+cu128")
    limits = 'FLASH_VER_MIN = parse_version("2.7.1")\nFLASH_VER_LAST = parse_version("2.7.4")\n'
    env.stub("xformers", "0.0.30", {**xformers("2.7.0+cu128"), "xformers/ops/fmha/flash.py": limits})
    env.stub("flash-attn", "2.8.0.post2", {"flash_attn/__init__.py": ""})


def sage_other_torch(env):
    torch(env, "2.7.0+cu128")
    env.stub("sageattention", "2.1.1+cu128torch2.6.0", {"sageattention/__init__.py": ""})


def bnb_without_cuda128(env):
    torch(env, "2.7.0+cu128")
    env.stub("bitsandbytes", "0.45.0", libraries("cpu", "cuda124", "cuda126"))
    env.gpu("NVIDIA GeForce RTX 5090", "12.0")


def bnb_source_build(env):
    torch(env, "2.6.0+cpu")
    env.stub("bitsandbytes", "0.44.0", {"bitsandbytes/__init__.py": ""})


def bnb_for_linux_on_windows(env):
    torch(env, "2.6.0+cpu")
    env.stub("bitsandbytes", "0.41.1", libraries("cpu", "cuda118"))
    env.machine["os"] = "windows"


def bnb_before_triton(env):
    torch(env, "2.6.0+cpu")
    env.stub("bitsandbytes", "0.44.1", libraries("cpu"))
    env.stub("triton", "3.2.0")


def triton_before_blackwell(env):
    env.stub("triton", "3.1.0")
    env.gpu("NVIDIA GeForce RTX 5070 Ti", "12.0")


def numpy_two_with_old_torch(env):
    torch(env, "2.2.2+cpu")
    env.stub("numpy", "2.1.3")


def numpy_two_on_windows(env):
    torch(env, "2.4.0+cpu")
    env.stub("numpy", "2.1.0")
    env.machine["os"] = "windows"


def opencv_before_numpy_two(env):
    torch(env, "2.6.0+cpu")
    env.stub("numpy", "2.0.0")
    env.stub("opencv-python", "4.9.0.80", {"cv2/__init__.py": ""})


def old_timm(env):
    env.stub("timm", "0.6.12")


def python_not_accepted(env):
    torch(env, "2.6.0+cpu")
    env.stub("diffusers", "0.99.0")
    env.write("diffusers-0.99.0.dist-info/METADATA", "Name: diffusers\nVersion: 0.99.0\nRequires-Python: >=3.99\n")


def copied_from_other_python(env):
    env.stub(
        "torch",
        "2.6.0+cpu",
        {
            "torch/_C.cpython-38-x86_64-linux-gnu.so": "x",
            "torch/version.py": "__version__ = '2.6.0+cpu'\ncuda = None\n",
        },
    )


def protobuf_too_new(env):
    env.stub("tensorboard", "2.6.0")
    env.stub("protobuf", "5.29.0", {"google/protobuf/__init__.py": ""})


def pkg_resources_gone(env):
    env.stub("tensorboard", "2.19.0")
    env.stub("setuptools", "82.0.0")


def hub_without_cached_download(env):
    torch(env, "2.6.0+cpu")
    env.stub("diffusers", "0.25.0")
    env.stub("huggingface-hub", "0.26.1")


def peft_before_accelerate(env):
    torch(env, "2.6.0+cpu")
    env.stub("peft", "0.15.0")
    env.stub("accelerate", "0.31.0")


def transformers_before_peft(env):
    torch(env, "2.6.0+cpu")
    env.stub("peft", "0.13.0")
    env.stub("transformers", "4.37.0")


def hub_below_transformers(env):
    torch(env, "2.6.0+cpu")
    env.stub("transformers", "4.41.0", None, ["huggingface-hub<1.0,>=0.23.0"])
    env.stub("huggingface-hub", "0.22.0")


def requirement_missing(env):
    torch(env, "2.6.0+cpu")
    env.stub("accelerate", "1.10.0", None, ["psutil"])


# ---- paths and settings


def nvjitlink_in_library_path(env):
    torch(env, "2.5.1+cu124")
    env.write(env.root / "cuda/lib64/libnvJitLink.so.12", "x")
    env.environ["LD_LIBRARY_PATH"] = str(env.root / "cuda/lib64")


def stub_libcuda_in_library_path(env):
    torch(env, "2.5.1+cu124")
    env.write(env.root / "cuda/lib64/stubs/libcuda.so", "x")
    env.environ["LD_LIBRARY_PATH"] = str(env.root / "cuda/lib64/stubs")


def cuda_home_with_colon(env):
    env.environ["CUDA_HOME"] = ":/usr/local/cuda-11.7"


def cuda_home_nowhere(env):
    env.environ["CUDA_HOME"] = "/usr/local/cuda-0.0"


def certificate_gone(env):
    env.environ["REQUESTS_CA_BUNDLE"] = "/gone/company.pem"


def pythonpath_with_torch(env):
    torch(env, "2.6.0+cpu")
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


def user_site_mixed(env):
    system_site(env)
    minor = env.site.parent.name
    env.write(
        env.home / f".local/lib/{minor}/site-packages/numpy-1.24.0.dist-info/METADATA", "Name: numpy\nVersion: 1.24.0\n"
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
    torch(env, "2.6.0+cpu")
    (env.site / "~orch-2.1.0.dist-info").mkdir()


# ---- accelerate, precision


def accelerate_unknown_key(env):
    torch(env, "2.6.0+cu124")
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


# ---- models, photos, hub


def model_cut(env):
    env.data = [
        env.write(env.root / "models/m.safetensors", safetensors({"a": tensor([50, 10], 1000)}, cut=300)).parent
    ]


def model_is_pointer(env):
    env.data = [
        env.write(
            env.root / "models/m.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
        ).parent
    ]


def model_is_page(env):
    env.data = [env.write(env.root / "models/m.ckpt", "<!DOCTYPE html><html>sign in</html>").parent]


def model_header_absurd(env):
    env.data = [env.write(env.root / "models/m.safetensors", struct.pack("<Q", 1 << 40) + b"x" * 100).parent]


def checkpoint_cut(env):
    env.data = [env.write(env.root / "models/m.ckpt", b"PK\x03\x04" + b"\0" * 5000).parent]


def model_inpainting(env):
    env.data = [
        env.write(
            env.root / "models/m.safetensors", safetensors({"conv_in.weight": tensor([32, 9, 3, 3], 5184)})
        ).parent
    ]


def pickle_refused(env):
    torch(env, "2.2.2+cpu")
    env.stub("transformers", "4.52.0")
    env.data = [env.write(env.root / "models/m.bin", b"PK\x03\x04" + b"\0" * 4000 + b"PK\x05\x06" + b"\0" * 18).parent]


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 200 + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 200 + b"\xff\xd9"


def photo_is_page(env):
    env.write(env.root / "photos/a.png", PNG)
    env.data = [env.write(env.root / "photos/b.png", "<html>404</html>").parent]


def photo_mislabelled(env):
    env.data = [env.write(env.root / "photos/a.png", JPEG).parent]


def photo_cut(env):
    env.data = [env.write(env.root / "photos/a.png", PNG[:100]).parent]


def photo_folders_reversed(env):
    env.data = [env.write(env.root / "photos/10_girl/images/a.png", PNG).parents[2]]


def hub_link_broken(env):
    folder = env.home / ".cache/huggingface/hub/models--a--b/snapshots/1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").symlink_to("../../blobs/gone")


def hub_gated_without_token(env):
    (env.home / ".cache/huggingface/hub/models--black-forest-labs--FLUX.1-dev/snapshots").mkdir(parents=True)


def hub_not_writable(env):
    env.environ["HF_HOME"] = str(env.write(env.root / "a-file", "x") / "huggingface")


# ---- the machine


def shared_memory_small(env):
    env.machine.update(shared_memory_mib=64, container="docker")


def disk_full(env):
    env.machine["disks"] = [{"purpose": "home", "path": "/home", "free_mib": 300, "total_mib": 50000}]


def memory_small(env):
    env.machine.update(ram_total_mib=3900, swap_total_mib=0)


def wsl_one(env):
    env.machine["wsl"] = 1


def wsl_little_memory(env):
    env.machine.update(wsl=2, ram_total_mib=7900, swap_total_mib=2000)


def wsl_blocked(env):
    env.machine.update(
        wsl=2, faults=[{"id": "nvidia-wsl-blocked", "cause": "GPU access blocked by the operating system"}]
    )


def windows_short_paths(env):
    env.machine.update(os="windows", long_paths=False)


def vram_held(env):
    env.gpu("NVIDIA GeForce RTX 4090", "8.9", processes=[{"pid": 4242, "name": "game", "vram_mib": 5000}])


def vram_tiny(env):
    env.gpu("NVIDIA GeForce GTX 1050", "6.1", vram_total_mib=2048)


def container_lost_gpu(env):
    env.machine.update(
        container="docker",
        faults=[{"id": "nvidia-container-lost-gpu", "cause": "Failed to initialize NVML: Unknown Error"}],
    )


def no_right_to_gpu(env):
    env.machine["faults"] = [{"id": "nvidia-no-permission", "cause": "Insufficient Permissions"}]


def docker_without_toolkit(env):
    env.gpu("NVIDIA GeForce RTX 4090", "8.9")
    env.machine["engines"] = [{"name": "docker", "version": "28.0", "running": True}]


# fault → (the id that must name it, its status)
FAULTS = {
    blackwell_on_cu124: ("torch-code-for-gpu", "error"),
    pascal_on_cu128: ("torch-code-for-gpu", "error"),
    volta_on_cu130: ("torch-code-for-gpu", "error"),
    second_gpu_too_old: ("torch-code-for-gpu", "error"),
    cpu_build_with_gpu: ("torch-cpu-build", "error"),
    driver_too_old: ("driver-reaches-cuda", "error"),
    driver_of_2019: ("driver-reaches-cuda", "error"),
    cuda_build_on_amd: ("gpu-maker", "error"),
    rocm_without_gfx1031: ("torch-code-for-amd", "error"),
    driver_split: ("driver-answers", "error"),
    driver_not_loaded: ("driver-answers", "error"),
    no_devices: ("driver-shows-gpus", "warning"),
    gpus_hidden: ("driver-shows-gpus", "warning"),
    torchvision_for_other_torch: ("torchvision-fits", "error"),
    torchvision_for_other_cuda: ("torchvision-fits", "error"),
    torchvision_cuda_beside_cpu: ("torchvision-fits", "error"),
    nvjitlink_stale: ("nvidia-libraries", "error"),
    xformers_other_torch: ("xformers-fits", "error"),
    xformers_other_cuda: ("xformers-fits", "error"),
    xformers_beside_cpu: ("xformers-fits", "error"),
    xformers_pins_other: ("xformers-fits", "error"),
    xformers_before_blackwell: ("xformers-gpu", "error"),
    flash_attn_other_torch: ("flash-attention", "error"),
    flash_attn_refused: ("flash-attention", "error"),
    sage_other_torch: ("flash-attention", "error"),
    bnb_without_cuda128: ("bitsandbytes-library", "error"),
    bnb_source_build: ("bitsandbytes-library", "error"),
    bnb_for_linux_on_windows: ("bitsandbytes-library", "error"),
    bnb_before_triton: ("bitsandbytes-triton", "error"),
    triton_before_blackwell: ("triton-ptxas", "error"),
    numpy_two_with_old_torch: ("numpy-generation", "error"),
    numpy_two_on_windows: ("numpy-generation", "error"),
    opencv_before_numpy_two: ("numpy-generation", "error"),
    old_timm: ("packages-python", "error"),
    copied_from_other_python: ("python-version", "error"),
    protobuf_too_new: ("known-conflicts", "error"),
    pkg_resources_gone: ("known-conflicts", "error"),
    hub_without_cached_download: ("known-conflicts", "error"),
    peft_before_accelerate: ("known-conflicts", "error"),
    transformers_before_peft: ("known-conflicts", "error"),
    hub_below_transformers: ("requirements-met", "error"),
    requirement_missing: ("requirements-met", "error"),
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
    model_cut: ("model-files-whole", "error"),
    model_is_pointer: ("model-files-whole", "error"),
    model_is_page: ("model-files-whole", "error"),
    model_header_absurd: ("model-files-whole", "error"),
    checkpoint_cut: ("model-files-whole", "error"),
    model_inpainting: ("model-files-kind", "warning"),
    pickle_refused: ("model-files-pickle", "warning"),
    photo_is_page: ("photos-readable", "error"),
    photo_mislabelled: ("photos-readable", "warning"),
    photo_cut: ("photos-readable", "error"),
    photo_folders_reversed: ("photos-layout", "warning"),
    hub_link_broken: ("hub-cache", "error"),
    hub_gated_without_token: ("hub-login", "warning"),
    hub_not_writable: ("hub-writable", "error"),
    shared_memory_small: ("container-shared-memory", "warning"),
    disk_full: ("disk-room", "error"),
    memory_small: ("memory-room", "warning"),
    wsl_one: ("wsl-driver", "error"),
    wsl_little_memory: ("wsl-memory", "warning"),
    wsl_blocked: ("wsl-driver", "error"),
    windows_short_paths: ("windows-long-paths", "warning"),
    vram_held: ("vram-others", "warning"),
    vram_tiny: ("vram-size", "warning"),
    container_lost_gpu: ("container-driver", "error"),
    no_right_to_gpu: ("device-rights", "error"),
    docker_without_toolkit: ("container-gpu", "warning"),
    python_not_accepted: ("packages-python", "error"),
}
# What --fix mends by itself without fetching anything.
MENDED = (
    system_site,
    path_file_to_conda,
    leftover,
    accelerate_unknown_key,
    accelerate_broken_yaml,
    hub_link_broken,
    xformers_other_torch,
    flash_attn_other_torch,
    sage_other_torch,
)
