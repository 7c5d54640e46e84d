"""Kernels that fail on the GPU, and libraries of CUDA that do not start there."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

SYMPTOMS = (
    Symptom(
        id="bnb-no-kernel",
        area="compute-capability",
        weight=85,
        signs=(
            "no kernel image is available for execution on the device at line {line:int} in file",
            "named symbol not found at line {line:int} in file",
            "invalid device function at line {line:int} in file",
        ),
        leads_to=("cc-pascal-cu128", "cc-no-kernel-image", "cc-volta-cu130"),
        what="bitsandbytes has no machine code for this GPU.",
        cause="The line comes from the compiled library of bitsandbytes, not from torch: this release was built for other GPUs (RTX 50 needs 0.45.3 or later with a cu128 torch).",
        fix=(
            ("{python} -m pip install --upgrade bitsandbytes", "a release that knows newer GPUs"),
            ('optimizer = "adamw"', "or: trains with the plain optimizer (more memory)"),
        ),
        link="https://huggingface.co/docs/bitsandbytes/main/en/installation",
        examples=(
            "Error no kernel image is available for execution on the device at line 167 in file D:\\ai\\tool\\bitsandbytes\\csrc\\ops.cu",
        ),
    ),
    Symptom(
        id="bnb-no-gpu",
        area="bitsandbytes",
        level=Level.LATE,
        weight=60,
        signs=(
            "CUDA is required but not available for bitsandbytes",
            "No GPU found. A GPU is needed for quantization",
            "Required library version not found: libbitsandbytes_cpu",
        ),
        what="bitsandbytes was to compute on a GPU, and torch sees none.",
        cause="The real fault lies before: a CPU build of torch, no driver, or a driver that torch can't use. This line alone can't say which.",
        fix=(("dreamboot doctor --python {python}", "nothing: says which of them it is"),),
        link="https://huggingface.co/docs/bitsandbytes/main/en/installation",
        examples=("RuntimeError: CUDA is required but not available for bitsandbytes.",),
    ),
    Symptom(
        id="vram-library-start",
        area="vram",
        weight=60,
        signs=("CUDNN_STATUS_NOT_INITIALIZED", "CUBLAS_STATUS_NOT_INITIALIZED"),
        what="cuDNN or cuBLAS could not start on the GPU.",
        cause="Most often the video memory was already full. Where it is not: another cuDNN is loaded than torch's, or an index was out of range in an earlier step.",
        fix=(
            ("nvidia-smi", "nothing: shows how much video memory is in use, and by which programs"),
            (
                'gradient_checkpointing = true, train_batch_size = 1, optimizer = "adamw8bit", method = "lora"',
                "less memory at the same resolution",
            ),
            ("env -u LD_LIBRARY_PATH {python} ...", "with memory to spare: starts without a foreign cuDNN"),
        ),
        link="https://github.com/pytorch/pytorch/issues/16831",
        examples=("RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",),
    ),
    Symptom(
        id="gpu-no-engine",
        area="cuda-wheel-mismatch",
        weight=60,
        signs=(
            "GET was unable to find an engine to execute this computation",
            "Unable to find a valid cuDNN algorithm to run convolution",
        ),
        what="cuDNN found no way to compute a convolution.",
        cause="Most often the video memory is nearly full, so that no working space is left. Else a foreign cuDNN is loaded (LD_LIBRARY_PATH), or the GPU is too new or too old for this torch.",
        fix=(
            ("nvidia-smi", "nothing: shows how much video memory is in use, and by which programs"),
            ("dreamboot doctor --python {python}", "nothing: compares torch, its libraries and the GPU"),
        ),
        link="https://docs.nvidia.com/deeplearning/cudnn/latest/api/cudnn-graph-library.html",
        examples=("RuntimeError: GET was unable to find an engine to execute this computation",),
    ),
    Symptom(
        id="gpu-mps-operator",
        area="compute-capability",
        weight=74,
        signs=("is not currently implemented for the MPS device", "is not currently supported on the MPS backend"),
        what="Apple's GPU backend of torch lacks an operation.",
        cause="Not every operation exists for MPS; the missing one can be computed by the CPU instead, more slowly.",
        fix=(("export PYTORCH_ENABLE_MPS_FALLBACK=1", "computes missing operations on the CPU"),),
        link="https://docs.pytorch.org/docs/stable/mps_environment_variables.html",
        examples=(
            "NotImplementedError: The operator 'aten::_linalg_solve_ex.result' is not currently implemented for the MPS device.",
        ),
    ),
    Symptom(
        id="cc-miopen",
        area="compute-capability",
        weight=74,
        signs=(
            "miopenStatusUnknownError",
            "miopenStatusInternalError",
            "MIOpen Error: {file:any}Code object build failed",
        ),
        what="MIOpen, ROCm's library of convolutions, could not make a kernel for this GPU.",
        cause="The card is not one that this ROCm build knows, or MIOpen's cache of kernels is damaged or can't be written (its lines above the error tell which).",
        fix=(
            ("rm -r ~/.cache/miopen ~/.config/miopen", "empties its cache, which is filled anew"),
            ("dreamboot plan", "nothing: shows whether this card is supported, and by which build"),
        ),
        link="https://rocm.docs.amd.com/projects/MIOpen/en/latest/",
        examples=(
            "MIOpen Error: /MIOpen/src/hipoc/hipoc_program.cpp:286: Code object build failed. Source: MIOpenIm2d2Col.cl\nRuntimeError: miopenStatusUnknownError",
        ),
    ),
    Symptom(
        id="drv-launch-timeout",
        area="driver",
        weight=78,
        signs=("the launch timed out and was terminated", "cudaErrorLaunchTimeout", "CUDA_ERROR_LAUNCH_TIMEOUT"),
        what="The system ended a computation that held the screen for too long.",
        cause="This GPU drives a display, and the driver allows one kernel only a few seconds (Windows: TDR, 2 s by default).",
        fix=(
            (
                'reg add "HKLM\\SYSTEM\\CurrentControlSet\\Control\\GraphicsDrivers" /v TdrDelay /t REG_DWORD /d 60 /f',
                "Windows, as administrator: 60 seconds, after a restart; Linux: no desktop on this GPU",
            ),
        ),
        link="https://learn.microsoft.com/windows-hardware/drivers/display/tdr-registry-keys",
        examples=("RuntimeError: CUDA error: the launch timed out and was terminated",),
    ),
    Symptom(
        id="mf-token-range",
        area="model-files",
        weight=76,
        signs=(
            "Assertion `srcIndex < srcSelectDimSize` failed",
            "indexSelectLargeIndex{x:any}Assertion",
            "indexSelectSmallIndex{x:any}Assertion",
        ),
        what="A text token is not in the text encoder's table.",
        cause="An embedding was asked for a row that it does not have: the tokenizer belongs to another model, tokens were added without resizing the text encoder, or a prompt is longer than its positions.",
        fix=(
            (
                "CUDA_LAUNCH_BLOCKING=1 {python} ...",
                "nothing: the traceback then shows the embedding; check that tokenizer/ and text_encoder/ are of one model",
            ),
        ),
        link="https://huggingface.co/docs/transformers/troubleshooting",
        leads_to=("vram-library-start",),
        examples=(
            "../aten/src/ATen/native/cuda/Indexing.cu:1292: indexSelectLargeIndex: block: [93,0,0], thread: [64,0,0] Assertion `srcIndex < srcSelectDimSize` failed.\nRuntimeError: CUDA error: device-side assert triggered",
        ),
    ),
)
