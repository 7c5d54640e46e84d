"""accelerate and distributed training: configuration, launch, processes."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

NEW_CONFIG = (
    "{python} -m accelerate.commands.accelerate_cli config default",
    "writes a fresh default configuration (the old one is overwritten)",
)

SYMPTOMS = (
    Symptom(
        id="acc-unknown-keys-kohya",
        area="accelerate-config",
        weight=86,
        signs=(
            "The config file at {path:any} had unknown keys ([{keys:any}])",
            "had unknown keys",
            "ClusterConfig.__init__() got an unexpected keyword argument '{keys}'",
            "ClusterConfig{x:any}got an unexpected keyword argument",
            "SageMakerConfig{x:any}got an unexpected keyword argument",
        ),
        what="accelerate's configuration file was written by another version.",
        cause="This accelerate does not know the keys {keys} in {path}.",
        fix=(("rm {path}", "removes the shared file"), NEW_CONFIG),
        link="https://github.com/huggingface/accelerate/pull/1935",
        cases=("acc-unknown-keys-kohya",),
        examples=(
            "ValueError: The config file at /home/u/.cache/huggingface/accelerate/default_config.yaml had unknown keys (['enable_cpu_affinity']), please try upgrading your `accelerate` version",
        ),
    ),
    Symptom(
        id="acc-fp16-gpu",
        area="accelerate-config",
        weight=66,
        signs=(
            "fp16 mixed precision requires a GPU",
            "`fp16` mixed precision requires a GPU",
            "fp16 mixed precision requires a supported device",
            "FP16 Mixed precision training with AMP or APEX (`--fp16`) and FP16 half precision evaluation",
            'err.format(mode="fp16", requirement="a GPU") ... ValueError',
        ),
        unless=("Radeon", "6600XT", "AMD GPU"),
        what="fp16 was asked for, and torch sees no GPU.",
        cause="The real fault lies before: a CPU build of torch, no driver, or a driver that torch can't use. This log alone can't say which.",
        fix=(
            ("dreamboot doctor --python {python}", "nothing: says which of them it is"),
            ("mixed_precision = no", "trains on the CPU, slowly"),
        ),
        cases=("acc-fp16-gpu",),
        examples=("ValueError: fp16 mixed precision requires a GPU (not 'cpu').",),
    ),
    Symptom(
        id="acc-no-config-device-cpu",
        area="accelerate-config",
        level=Level.WARNING,
        weight=62,
        signs=("could not configure accelerate", "accelerate is not configured", "Accelerate is not configured"),
        packages=("accelerate",),
        what="accelerate has no configuration.",
        cause="The set-up could not ask its questions, so default_config.yaml is missing: it may run on the CPU or in the wrong precision.",
        fix=(NEW_CONFIG,),
        cases=("acc-no-config-device-cpu",),
        examples=("2023-07-01 WARNING could not configure accelerate",),
    ),
    Symptom(
        id="acc-yaml",
        area="accelerate-config",
        weight=78,
        signs=("yaml.scanner.ScannerError", "yaml.parser.ParserError", "could not determine a constructor for the tag"),
        needs=("accelerate", "default_config.yaml"),
        what="accelerate's configuration file is not valid YAML.",
        cause="The file was edited by hand or cut off; the message names the line.",
        fix=(NEW_CONFIG,),
        examples=(
            '  File "/v/site-packages/accelerate/commands/config/config_args.py", line 44, in load_config_from_file\nyaml.scanner.ScannerError: mapping values are not allowed here\n  in "default_config.yaml", line 3',
        ),
    ),
    Symptom(
        id="acc-port",
        area="accelerate-config",
        weight=80,
        signs=(
            "EADDRINUSE",
            "port: {port:int} ... Address already in use",
            "Tried to launch distributed communication on port `{port:int}`, but another process is utilizing it",
            "The server socket has failed to listen on any local network address",
        ),
        what="Another training already uses the port.",
        cause="Every distributed run needs a port of its own (default 29500): one still runs, or a process was left over.",
        fix=(("accelerate launch --main_process_port 0 ...", "takes a free port"),),
        examples=(
            "torch.distributed.DistNetworkError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, code: -98, name: EADDRINUSE, message: address already in use",
        ),
    ),
    Symptom(
        id="acc-device-ordinal",
        area="accelerate-config",
        weight=80,
        signs=(
            "CUDA error: invalid device ordinal",
            "Duplicate GPU detected",
            "ProcessGroupNCCL is only supported with GPUs, no GPUs found",
            "num_processes ... should be at most the number of GPUs",
        ),
        what="More processes are configured than there are GPUs.",
        cause="num_processes (or gpu_ids) in accelerate's configuration does not fit the GPUs that this process sees.",
        fix=(
            ("accelerate launch --num_processes 1 ...", "one process per GPU"),
            ("nvidia-smi -L; echo $CUDA_VISIBLE_DEVICES", "nothing: shows what is visible"),
        ),
        examples=(
            "RuntimeError: CUDA error: invalid device ordinal",
            "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 1000",
        ),
    ),
    Symptom(
        id="acc-nccl-windows",
        area="accelerate-config",
        weight=80,
        signs=(
            "Distributed package doesn't have NCCL built in",
            "use_libuv was requested but PyTorch was build without libuv support",
            "use_libuv was requested but PyTorch was built without libuv support",
        ),
        what="Training on several GPUs with NCCL does not exist on Windows.",
        cause="Torch for Windows has no NCCL (and no libuv); the configuration asks for a distributed run.",
        fix=(
            ("accelerate launch --num_processes 1 --num_machines 1 ...", "one process, one GPU"),
            ("set USE_LIBUV=0", "where only libuv is the fault"),
        ),
        examples=("RuntimeError: Distributed package doesn't have NCCL built in",),
    ),
    Symptom(
        id="acc-nccl-p2p",
        area="accelerate-config",
        weight=78,
        signs=("doesn't support faster communication broadband via P2P or IB", "NCCL_P2P_DISABLE"),
        needs=("NotImplementedError", "RTX 4000", "RTX 40"),
        what="These GPUs can't talk to each other directly.",
        cause="RTX 40 cards have no P2P; NCCL must be told.",
        fix=(("export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1", "NCCL goes through the host's memory"),),
        examples=(
            'NotImplementedError: Using RTX 4000 series doesn\'t support faster communication broadband via P2P or IB. Please set `NCCL_P2P_DISABLE="1"`',
        ),
    ),
    Symptom(
        id="acc-nccl-timeout",
        area="accelerate-config",
        level=Level.LATE,
        weight=56,
        signs=(
            "Watchdog caught collective operation timeout",
            "NCCL communicator was aborted on rank",
            "ncclInternalError",
            "ncclSystemError",
            "ncclUnhandledCudaError",
            "Timed out initializing process group",
            "DistBackendError: NCCL error",
            "unhandled <system|cuda> error, NCCL version",
            "unhandled <system|cuda> error (run with NCCL_DEBUG",
        ),
        what="The processes of a distributed run lost each other.",
        cause="One rank failed or hung first, or what they talk through (network, shared memory) does not work; a rank's own error comes earlier.",
        fix=(
            ("export NCCL_DEBUG=INFO", "makes NCCL say which link failed"),
            ("df -h /dev/shm", "nothing: in a container 64M are too little; start it with --shm-size=8g"),
        ),
        examples=(
            "torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version 2.20.5\nncclSystemError: System call failed",
        ),
    ),
    Symptom(
        id="acc-unused-parameters",
        area="accelerate-config",
        weight=76,
        signs=("Expected to have finished reduction in the prior iteration before starting a new one",),
        what="Some trained parameters took no part in a step, which several GPUs can't do together.",
        cause="Each GPU waits for the gradients of all parameters; a part of the model was left out of the loss.",
        fix=(
            (
                "Accelerator(kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)])",
                "in the training script: the parts left out are looked for",
            ),
            ("accelerate launch --num_processes 1 ...", "trains on one GPU"),
        ),
        link="https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html",
        examples=(
            "RuntimeError: Expected to have finished reduction in the prior iteration before starting a new one. This error indicates that your module has parameters that were not used in producing loss.",
        ),
    ),
    Symptom(
        id="acc-deepspeed",
        area="accelerate-config",
        weight=74,
        signs=(
            "DeepSpeed is not installed => run `pip3 install deepspeed`",
            "DeepSpeed is not installed",
            "No module named 'deepspeed'",
        ),
        what="The configuration asks for DeepSpeed, which is not installed.",
        cause="distributed_type is DEEPSPEED in accelerate's configuration.",
        fix=(NEW_CONFIG, ("{python} -m pip install deepspeed", "or: installs it (Linux)")),
        examples=("ImportError: DeepSpeed is not installed => run `pip3 install deepspeed` or build it from source.",),
    ),
    Symptom(
        id="acc-defaults-noise",
        area="accelerate-config",
        level=Level.NOISE,
        signs=("The following values were not passed to `accelerate launch` and had defaults used instead",),
        what="accelerate names the defaults that it takes: harmless.",
        cause="",
    ),
)
