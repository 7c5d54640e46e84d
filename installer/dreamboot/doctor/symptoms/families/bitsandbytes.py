"""bitsandbytes: its compiled library is missing, does not fit, or could not be loaded."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

UPGRADE = ("{python} -m pip install --upgrade bitsandbytes", "brings a release with libraries for today's CUDA builds")
INSTALL_DOCS = "https://huggingface.co/docs/bitsandbytes/main/en/installation"
_BNB = ("bitsandbytes",)

SYMPTOMS = (
    Symptom(
        id="bnb-cuda128-dll",
        area="bitsandbytes",
        weight=84,
        signs=(
            "Could not find the bitsandbytes CUDA binary at {path:any}libbitsandbytes_cuda{tag:int}",
            "Could not find the bitsandbytes CUDA binary at",
            "Configured CUDA binary not found at",
            "libbitsandbytes_cuda{tag:int}.so: cannot open shared object file",
            "libbitsandbytes_cuda{tag:int}_nocublaslt.so: cannot open shared object file",
            "Required library version not found: libbitsandbytes_cuda{tag:int}",
            "Required library version not found: libbitsandbytes_cuda",
            "Could not load bitsandbytes native library: ... libbitsandbytes_cuda{tag:int}",
        ),
        packages=_BNB,
        leads_to=("bnb-str2optimizer", "bnb-cpu-library", "bnb-setup-failed", "bnb-load-failed"),
        what="This bitsandbytes has no library for the CUDA version of torch.",
        cause="Expected libbitsandbytes_cuda{tag}, the library for torch's CUDA version; this release does not carry it "
        "(cu128 came with 0.45.3, cu130 with 0.48).",
        fix=(UPGRADE,),
        link=INSTALL_DOCS,
        cases=("bnb-cuda128-dll",),
        examples=(
            "Could not find the bitsandbytes CUDA binary at WindowsPath('C:/a/venv/Lib/site-packages/bitsandbytes/libbitsandbytes_cuda128.dll')\nThe installed version of bitsandbytes was compiled without GPU support.",
            "CUDA SETUP: Required library version not found: libbitsandbytes_cuda118.so. Maybe you need to compile it from source?",
        ),
    ),
    Symptom(
        id="bnb-rocm-library",
        area="bitsandbytes",
        weight=84,
        signs=(
            "Could not find the bitsandbytes <HIP|ROCm> binary at",
            "Configured <HIP|ROCm> binary not found at",
            "Required library version not found: libbitsandbytes_<hip|rocm>",
            "libbitsandbytes_<hip|rocm>{tag:int}.so: cannot open shared object file",
        ),
        packages=_BNB,
        leads_to=("bnb-str2optimizer", "bnb-cpu-library", "bnb-setup-failed", "bnb-load-failed"),
        what="This bitsandbytes has no library for the ROCm version of torch.",
        cause="Its wheels carry libraries for AMD GPUs from 0.49 on, each for certain ROCm versions; older ones must be built from source.",
        fix=(
            UPGRADE,
            ('optimizer = "adamw"', "or: trains with the plain optimizer (more memory)"),
        ),
        link=INSTALL_DOCS,
        examples=(
            "RuntimeError: Configured ROCm binary not found at /v/lib/python3.12/site-packages/bitsandbytes/libbitsandbytes_rocm63.so",
        ),
        others=("RuntimeError: Configured CUDA binary not found at /v/bitsandbytes/libbitsandbytes_cuda130.so",),
    ),
    Symptom(
        id="bnb-triton-ops",
        area="bitsandbytes",
        weight=88,
        signs=("No module named 'triton.ops'", "from triton.ops.matmul_perf_model import"),
        what="This bitsandbytes is too old for triton.",
        cause="triton 3.2 (torch 2.6) removed triton.ops; bitsandbytes before 0.45.1 imports it.",
        fix=(("{python} -m pip install --upgrade 'bitsandbytes>=0.45.1'", "a release that does without triton.ops"),),
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/releases",
        cases=("bnb-triton-ops",),
        examples=(
            "    from triton.ops.matmul_perf_model import early_config_prune, estimate_matmul_time\nModuleNotFoundError: No module named 'triton.ops'",
        ),
    ),
    Symptom(
        id="bnb-source-build-no-so",
        area="bitsandbytes",
        weight=80,
        signs=(
            "libbitsandbytes_cpu.so: cannot open shared object file",
            "libbitsandbytes_cpu.dll{x}: cannot open",
            "Could not find module{x:any}libbitsandbytes_cpu",
            "libbitsandbytes_cpu.dylib",
        ),
        packages=_BNB,
        leads_to=("bnb-cuda128-dll", "bnb-str2optimizer", "bnb-cpu-library", "bnb-setup-failed"),
        what="bitsandbytes was installed without any compiled library.",
        cause="Not even libbitsandbytes_cpu is there: it was installed from a source checkout without its build step, or it is imported from the checkout's folder.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-deps bitsandbytes",
                "installs the wheel, which carries the libraries",
            ),
        ),
        link=INSTALL_DOCS,
        cases=("bnb-source-build-no-so",),
        examples=(
            "OSError: /x/venv/lib/python3.10/site-packages/bitsandbytes-0.42.0-py3.10.egg/bitsandbytes/libbitsandbytes_cpu.so: cannot open shared object file: No such file or directory",
        ),
    ),
    Symptom(
        id="bnb-not-for-windows",
        area="bitsandbytes",
        weight=82,
        signs=(
            "argument of type 'WindowsPath' is not iterable",
            "libbitsandbytes_cpu.so ... WinError 193",
            "WinError 193 ... bitsandbytes",
            "bitsandbytes{x:any}WinError 193",
        ),
        what="This bitsandbytes does not support Windows.",
        cause="Releases before 0.43 carry Linux libraries only; Windows can't load a .so file.",
        fix=(("{python} -m pip install --upgrade 'bitsandbytes>=0.43'", "brings a release with Windows libraries"),),
        link=INSTALL_DOCS,
        leads_to=("bnb-cpu-library", "bnb-str2optimizer", "bnb-setup-failed"),
        examples=(
            "  File \"C:\\a\\lib\\site-packages\\bitsandbytes\\cuda_setup\\main.py\", line 136, in run_cuda_setup\nTypeError: argument of type 'WindowsPath' is not iterable",
        ),
    ),
    Symptom(
        id="bnb-setup-failed",
        area="bitsandbytes",
        weight=70,
        signs=(
            "CUDA Setup failed despite <GPU|CUDA> being available",
            "CUDA SETUP: Setup Failed!",
            "CUDA SETUP: CUDA detection failed",
            "bitsandbytes library load error",
        ),
        needs=(),
        packages=_BNB,
        leads_to=("bnb-str2optimizer", "bnb-cpu-library"),
        what="bitsandbytes found no library for this CUDA.",
        cause="The GPU is there, but this (old) release can't map torch's CUDA version to one of its libraries.",
        fix=(UPGRADE, ("{python} -m bitsandbytes", "nothing: prints which library it looked for")),
        link="https://github.com/bitsandbytes-foundation/bitsandbytes/issues/1522",
        cases=("bnb-setup-failed", "bnb-downgrade-043"),
        examples=(
            "RuntimeError: CUDA Setup failed despite GPU being available. Inspect the CUDA SETUP outputs above to fix your environment!",
            "        CUDA Setup failed despite GPU being available. Please run the following command to get more information:\n\n        python -m bitsandbytes",
        ),
    ),
    Symptom(
        id="bnb-multiple-libcuda",
        area="bitsandbytes",
        weight=78,
        signs=(
            "'NoneType' object has no attribute 'cuDeviceGetCount'",
            "Found duplicate ['libcuda.so",
            "Found duplicate {'libcuda",
            "cuda/lib64/stubs/libcuda.so",
        ),
        what="The wrong libcuda is loaded.",
        cause="A stub libcuda (cuda/lib64/stubs) or a second copy comes before the driver's in LD_LIBRARY_PATH.",
        fix=(
            ("env -u LD_LIBRARY_PATH {python} ...", "starts the program without the foreign folders"),
            ("ldconfig -p | grep libcuda", "nothing: shows the driver's own"),
        ),
        leads_to=("bnb-setup-failed", "bnb-cpu-library", "bnb-str2optimizer"),
        cases=("bnb-multiple-libcuda",),
        examples=(
            "AttributeError: 'NoneType' object has no attribute 'cuDeviceGetCount'\nWARNING: No GPU detected! Check your CUDA paths. Proceeding to load CPU-only library...",
        ),
    ),
    Symptom(
        id="bnb-str2optimizer",
        area="bitsandbytes",
        level=Level.LATE,
        weight=64,
        signs=(
            "name 'str2optimizer{kind}' is not defined",
            "'NoneType' object has no attribute 'c<get|adam|quantize|dequantize|lion|igemm|gemm|percentile>",
            "'NoneType' object has no attribute 'cquantize_blockwise",
            "'NoneType' object has no attribute 'cdequantize_blockwise",
            "'NoneType' object has no attribute 'cadam",
            "has no attribute 'cget_col_row_stats'",
            "has no attribute 'cget_managed_ptr'",
            "AttributeError: {path:any}libbitsandbytes_{kind}: undefined symbol: c",
            "undefined symbol: cget_managed_ptr",
            "undefined symbol: cquantize_blockwise",
            "Attempted to use bitsandbytes native library functionality but it's not available",
        ),
        what="bitsandbytes works without its GPU library.",
        cause="The library failed to load earlier; the error only shows at the first 8-bit step. The first lines about bitsandbytes tell why.",
        fix=(("{python} -m bitsandbytes", "nothing: prints why the library did not load"), UPGRADE),
        cases=("bnb-str2optimizer",),
        examples=(
            "NameError: name 'str2optimizer32bit' is not defined",
            "AttributeError: 'NoneType' object has no attribute 'cquantize_blockwise_fp16_nf4'",
        ),
    ),
    Symptom(
        id="bnb-load-failed",
        area="bitsandbytes",
        level=Level.LATE,
        weight=60,
        signs=(
            "Failed to import transformers.integrations.bitsandbytes",
            "Using `bitsandbytes` 8-bit quantization requires",
            "Using `bitsandbytes` 4-bit quantization requires",
            "requires the latest version of bitsandbytes",
            "No package metadata was found for bitsandbytes",
            "No module named 'bitsandbytes'",
            "To use 8-bit Adam, please install the bitsandbytes library",
            "requires bitsandbytes",
            "No bitsandbytes / bitsandbytes",
        ),
        what="bitsandbytes is missing, or too old for what asks for it.",
        cause="The trainer asks for an 8-bit optimizer or a quantised model, and no usable bitsandbytes is installed in this environment.",
        fix=(
            ("{python} -m pip install --upgrade bitsandbytes", "installs it"),
            ('optimizer = "adamw"', "trains with the plain optimizer (more memory)"),
        ),
        link=INSTALL_DOCS,
        examples=(
            "ImportError: Using `bitsandbytes` 8-bit quantization requires the latest version of bitsandbytes: `pip install -U bitsandbytes`",
            "ModuleNotFoundError: No module named 'bitsandbytes'",
        ),
    ),
    Symptom(
        id="bnb-cpu-library",
        area="bitsandbytes",
        level=Level.NOISE,
        signs=(
            "bitsandbytes was compiled without GPU support",
            "libbitsandbytes_cpu.so: undefined symbol",
            "No GPU detected! Check your CUDA paths. Proceeding to load CPU-only",
        ),
        what="bitsandbytes runs with its CPU library: a consequence of no usable GPU or of no fitting library, not a cause.",
        cause="",
    ),
    Symptom(
        id="bnb-env-noise",
        area="bitsandbytes",
        level=Level.NOISE,
        signs=(
            "The following directories listed in your path were found to be non-existent",
            "found to be non-existent: {",
            "Welcome to bitsandbytes. For bug reports",
        ),
        what="Old bitsandbytes takes environment variables for paths and complains about them: harmless.",
        cause="",
        cases=("bnb-env-noise",),
    ),
    Symptom(
        id="bnb-lib-path-search",
        area="bitsandbytes",
        level=Level.NOISE,
        signs=(
            "did not contain ['libcudart.so",
            "did not contain cudart64",
            "CUDA_SETUP: WARNING! libcudart.so not found in any environmental path",
        ),
        what="bitsandbytes looks for libcudart in places where it is not: harmless as long as it finds it elsewhere.",
        cause="",
    ),
)
