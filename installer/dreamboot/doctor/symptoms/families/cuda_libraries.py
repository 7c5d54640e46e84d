"""CUDA's libraries: the wrong ones are found first, or packages were built for different ones."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import LogView, Symptom

_CLEAN = (
    "env -u LD_LIBRARY_PATH {python} ...",
    "starts the program without the foreign folders; remove them from ~/.bashrc or the launcher",
)


def _tag_never_published(captures: Mapping[str, str], log: LogView) -> bool:
    """The version is there, only not with this tag; else the Python does not fit (see python_version.py).

    Without a list of what was offered the pair itself must be one that never was (torch 2.0 ends at cu118).
    """
    offered = captures.get("offered")
    if offered is not None:
        return captures["want"] in {version.partition("+")[0] for version in offered.split(",")}
    if log.has("(from versions"):
        return False
    from dreamboot.doctor.symptoms.published import published

    return not published(captures["want"], "cu" + captures["tag"][:3])


SYMPTOMS = (
    Symptom(
        id="triton-cuda-header",
        area="attention",
        weight=78,
        signs=("fatal error: cuda.h: No such file or directory",),
        what="triton compiles its launcher and does not find cuda.h.",
        cause="Its wheel carries this header; it is missing here (a copied, pruned or half installed triton), or another compiler call needs a CUDA toolkit.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-deps triton",
                "the whole package again, of the version that is there",
            ),
            ("torch_compile = false", "or: trains without triton"),
        ),
        link="https://github.com/triton-lang/triton/issues/2002",
        examples=(
            '/home/u/.triton/main.c:1:10: fatal error: cuda.h: No such file or directory\n    1 | #include "cuda.h"\ncompilation terminated.',
        ),
    ),
    Symptom(
        id="cwm-nvjitlink-ldpath",
        area="cuda-wheel-mismatch",
        weight=84,
        signs=(
            "undefined symbol: __nvJitLink",
            "libnvJitLink.so.{n:int}: version",
            "undefined symbol: cublasLt",
            "undefined symbol: cusparse",
            "undefined symbol: cudnnGet",
            "undefined symbol: ncclComm",
            "undefined symbol: nccl",
            "undefined symbol: cudaGetDriverEntryPoint",
            "undefined symbol: nvrtc",
        ),
        unless=("/conda/lib", "LD_LIBRARY_PATH=/opt/conda"),
        what="An older CUDA library is loaded instead of the one that came with torch.",
        cause="A folder of LD_LIBRARY_PATH (often /usr/local/cuda/lib64), or an nvidia-* package of another version, comes before torch's own libraries.",
        fix=(
            _CLEAN,
            (
                "{python} -m pip install --force-reinstall torch",
                "brings the nvidia-* packages back to the versions that torch names, if no such folder is set",
            ),
        ),
        link="https://github.com/pytorch/pytorch/issues/134929",
        cases=("cwm-nvjitlink-ldpath", "cwm-nvjitlink-stale-wheel"),
        examples=(
            "ImportError: /x/venv/lib/python3.12/site-packages/torch/lib/../../nvidia/cusparse/lib/libcusparse.so.12: undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12",
        ),
    ),
    Symptom(
        id="cwm-nvjitlink-conda",
        area="cuda-wheel-mismatch",
        weight=85,
        signs=("undefined symbol: __nvJitLink", "undefined symbol: cublasLt"),
        needs=("/conda/lib", "LD_LIBRARY_PATH=/opt/conda"),
        what="conda's CUDA libraries are loaded instead of those that came with torch.",
        cause="The lib folder of conda stands in LD_LIBRARY_PATH and holds an older libnvJitLink than torch's wheel needs.",
        fix=(_CLEAN,),
        link="https://github.com/pytorch/pytorch/issues/134929",
        cases=("cwm-nvjitlink-conda",),
        examples=(
            "LD_LIBRARY_PATH=/opt/conda/lib\nImportError: /opt/conda/lib/python3.10/site-packages/torch/lib/../../nvidia/cusparse/lib/libcusparse.so.12: undefined symbol: __nvJitLinkComplete_12_4, version libnvJitLink.so.12",
        ),
    ),
    Symptom(
        id="cwm-torchvision-cpp-ops",
        area="cuda-wheel-mismatch",
        weight=82,
        signs=(
            "Couldn't load custom C++ ops",
            "operator torchvision::nms does not exist",
            "PyTorch and torchvision were compiled with different CUDA",
            "Could not run 'torchvision::nms' with arguments from the 'CUDA' backend",
            "module 'torchvision' has no attribute 'extension'",
            "PyTorch and torchaudio were compiled with different CUDA",
        ),
        what="torch and torchvision do not belong together.",
        cause="Each torchvision is built for exactly one torch, and for its CUDA version; here one of the two was changed alone.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu126",
                "installs both from one index (take the CUDA tag of your plan)",
            ),
        ),
        link="https://github.com/pytorch/vision#installation",
        cases=("cwm-torchvision-cpp-ops",),
        examples=(
            "RuntimeError: Couldn't load custom C++ ops. This can happen if your PyTorch and torchvision versions are incompatible",
            "RuntimeError: operator torchvision::nms does not exist",
            "RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions. PyTorch has CUDA Version=12.1 and torchvision has CUDA Version=11.8",
        ),
    ),
    Symptom(
        id="cwm-cudnn",
        area="cuda-wheel-mismatch",
        weight=80,
        signs=(
            "cuDNN version incompatibility: PyTorch was compiled against",
            "Could not load library libcudnn",
            "Unable to load any of {libcudnn",
            "libcudnn{x}: cannot open shared object file",
            "Could not locate cudnn",
            "CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH",
            "CUDNN_STATUS_VERSION_MISMATCH",
        ),
        what="Another cuDNN is loaded than torch was built with.",
        cause="A system cuDNN (LD_LIBRARY_PATH, PATH on Windows) or another nvidia-cudnn package comes before the one of torch, or it is missing.",
        fix=(
            _CLEAN,
            (
                "{python} -m pip install --force-reinstall torch",
                "brings back the nvidia-cudnn package that torch names",
            ),
        ),
        examples=(
            "RuntimeError: cuDNN version incompatibility: PyTorch was compiled  against (9, 1, 0) but found runtime version (8, 9, 2).",
            "Could not load library libcudnn_cnn_infer.so.8. Error: libcuda.so: cannot open shared object file",
        ),
    ),
    Symptom(
        id="cwm-library-missing",
        area="cuda-wheel-mismatch",
        weight=74,
        signs=(
            *tuple(
                f"{name}{{x}}: cannot open shared object file"
                for name in (
                    "libcudart",
                    "libcublas",
                    "libcusparse",
                    "libcufft",
                    "libcurand",
                    "libcusolver",
                    "libcupti",
                    "libnvrtc",
                    "libnccl",
                    "libnvToolsExt",
                    "libnvJitLink",
                    "libcufile",
                )
            ),
            "Could not find module 'cudart",
            "cublas64_{n:int}.dll not found",
            "cublas64_{n:int}.dll is not found",
        ),
        what="A CUDA library of another version is wanted than the one installed.",
        cause="A package was built for another CUDA version than torch (libcudart.so.11 wanted beside a CUDA 12 torch, say), or torch's nvidia-* packages are missing.",
        fix=(
            (
                "{python} -m pip install --force-reinstall torch torchvision",
                "brings torch's own nvidia-* packages back",
            ),
            ("dreamboot doctor --python {python}", "nothing: names the package that does not fit"),
        ),
        unless=("bitsandbytes", "flash_attn", "xformers"),
        examples=(
            "ImportError: libcudart.so.11.0: cannot open shared object file: No such file or directory",
            "OSError: libcublas.so.12: cannot open shared object file: No such file or directory",
        ),
    ),
    Symptom(
        id="cwm-nonexistent-tag",
        area="cuda-wheel-mismatch",
        weight=76,
        signs=(
            "requirement torch=={want:ver}+cu{tag:int} (from versions: {offered:list})",
            "requirement torch=={want:ver}+cu{tag:int}",
        ),
        when=_tag_never_published,
        leads_to=("py-311-old-torch",),
        what="This pair of torch and CUDA was never published.",
        cause="torch {want} exists, but not as a build for cu{tag}.",
        fix=(("dreamboot plan --pin torch=={want}", "nothing: names the builds of torch {want} that exist"),),
        link="https://download.pytorch.org/whl/torch/",
        cases=("cwm-nonexistent-tag",),
        examples=(
            "ERROR: Could not find a version that satisfies the requirement torch==2.0.1+cu121 (from versions: 1.13.0, 2.0.0, 2.0.1, 2.1.0, 2.1.0+cu121)",
        ),
    ),
    Symptom(
        id="cwm-toolkit-mismatch",
        area="cuda-wheel-mismatch",
        weight=72,
        signs=("The detected CUDA version ({have}) mismatches the version that was used to compile PyTorch ({want})",),
        what="The CUDA toolkit on this machine is not the one that torch was built with.",
        cause="An extension is being compiled: expected a toolkit {want}, found {have}.",
        fix=(
            (
                "export CUDA_HOME=/usr/local/cuda-{want}",
                "compiles with the fitting toolkit; better take a ready-made wheel",
            ),
        ),
        examples=(
            "RuntimeError:\nThe detected CUDA version (12.4) mismatches the version that was used to compile\nPyTorch (11.8). Please make sure to use the same CUDA versions.",
        ),
    ),
    Symptom(
        id="cwm-cublas",
        area="cuda-wheel-mismatch",
        weight=58,
        signs=("CUBLAS_STATUS_INVALID_VALUE", "CUBLAS_STATUS_NOT_SUPPORTED", "CUBLAS_STATUS_ARCH_MISMATCH"),
        what="cuBLAS refuses a call of torch.",
        cause="Most often another cuBLAS (LD_LIBRARY_PATH, PATH) is loaded than the one that torch brings.",
        fix=(_CLEAN,),
        examples=(
            "RuntimeError: CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling `cublasGemmEx( handle, opa, opb, m, n, k)`",
        ),
    ),
)
