"""Rules for versions that do not go together, where no single case is known."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom

_OURS = (
    "huggingface_hub", "transformers", "diffusers", "accelerate", "peft", "tokenizers", "torch", "torchvision", "torchaudio", "timm",
    "gradio", "gradio_client", "pydantic", "starlette", "fastapi", "numpy", "safetensors", "pytorch_lightning", "lightning", "torchmetrics",
    "PIL", "pillow", "keras", "tensorflow", "tensorboard", "scipy", "sklearn", "skimage", "cv2", "albumentations", "bitsandbytes", "datasets",
    "google", "packaging", "typing_extensions", "jinja2", "protobuf", "onnx", "open_clip", "kornia", "xformers", "lycoris", "prodigyopt",
    "requests", "urllib3", "click", "aiohttp", "omegaconf", "pkg_resources", "setuptools", "triton", "rich", "wandb", "deepspeed", "einops",
)  # fmt: skip
_OURS_LOWER = frozenset(name.lower() for name in _OURS)


def _known_package(captures: Mapping[str, str], _log: LogView) -> bool:
    return captures["module"].partition(".")[0].lower() in _OURS_LOWER


def _removed_submodule(captures: Mapping[str, str], _log: LogView) -> bool:
    package, dot, _ = captures["module"].partition(".")
    return bool(dot) and package.lower() in _OURS_LOWER and package.lower() not in ("torch", "triton", "bitsandbytes")


def _torch_is_hollow(captures: Mapping[str, str]) -> bool:
    """What every torch has is missing: an empty folder is imported, not another version."""
    always = (
        "__version__",
        "nn",
        "Tensor",
        "tensor",
        "cuda",
        "device",
        "no_grad",
        "float16",
        "float32",
        "load",
        "save",
        "_C",
    )
    return captures["module"] == "torch" and captures["name"] in always


SYMPTOMS = (
    Symptom(
        id="pkg-removed-submodule",
        area="version-conflict",
        weight=76,
        signs=("No module named '{module}'",),
        when=_removed_submodule,
        what="A part of a package that another one wants is not in this version.",
        cause="{module} was removed, moved, or came later: the two packages are of different times.",
        fix=(
            (
                "{python} -m pip install --upgrade transformers diffusers accelerate peft huggingface_hub",
                "brings versions that belong together",
            ),
            ("{python} -m pip install -r requirements.txt", "or: goes back to the versions that the program names"),
        ),
        examples=(
            "ModuleNotFoundError: No module named 'torchvision.transforms.functional_tensor'",
            "ModuleNotFoundError: No module named 'huggingface_hub.utils._errors'",
        ),
        others=(
            "ModuleNotFoundError: No module named 'torch.functional'",
            "ModuleNotFoundError: No module named 'customtkinter'",
        ),
    ),
    Symptom(
        id="pkg-import-name",
        area="version-conflict",
        weight=72,
        signs=("cannot import name '{name}' from '{module}'",),
        when=_known_package,
        unless=("partially initialized module", "most likely due to a circular import"),
        what="{module} has another version than the code that imports it was written for.",
        cause="{name} is not in the installed {module}: removed, renamed, or not there yet.",
        fix=(
            ("{python} -m pip check", "nothing: shows which packages ask for other versions"),
            ("{python} -m pip install -r requirements.txt", "goes back to the versions that the program names"),
        ),
        examples=(
            "ImportError: cannot import name 'rank_zero_only' from 'pytorch_lightning.utilities.distributed' (/v/pl.py)",
        ),
    ),
    Symptom(
        id="pkg-attribute",
        area="version-conflict",
        weight=70,
        signs=("module '{module}' has no attribute '{name}'",),
        when=lambda captures, log: (
            _known_package(captures, log) and not _torch_is_hollow(captures) and captures["name"] != "extension"
        ),
        unless=("partially initialized module",),
        what="{module} has another version than the code that uses it was written for.",
        cause="{module} has no '{name}': it was removed (numpy.float, PIL.Image.ANTIALIAS …), or came in a later version.",
        fix=(
            ("{python} -m pip install -r requirements.txt", "goes back to the versions that the program names"),
            ("{python} -m pip install --upgrade {module}", "or: a newer version, if the name is a new one"),
        ),
        examples=(
            "AttributeError: module 'numpy' has no attribute 'float'.",
            "AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'",
            "AttributeError: module 'torch' has no attribute 'float8_e4m3fn'",
        ),
    ),
    Symptom(
        id="pkg-keyword",
        area="version-conflict",
        weight=68,
        signs=(
            "__init__() got an unexpected keyword argument '{name}'",
            "{call}() got an unexpected keyword argument '{name}'",
        ),
        needs=(
            "<hf_hub_download|from_pretrained|LoraConfig|cached_download|Accelerator|AutoencoderKL|UNet2DConditionModel|CLIPTextModel>...unexpected keyword",
            "site-packages/diffusers",
            "site-packages/transformers",
            "site-packages/accelerate",
            "site-packages/peft",
            "site-packages/huggingface_hub",
            "site-packages/gradio",
            "site-packages/httpx",
            "site-packages\\diffusers",
            "site-packages\\transformers",
            "Client.__init__()",
        ),
        unless=("ClusterConfig", "SageMakerConfig"),
        what="A function of a library has other arguments than the caller expects.",
        cause="'{name}' is not an argument in the installed version: caller and library are of different times.",
        fix=(
            ("{python} -m pip install -r requirements.txt", "goes back to the versions that the program names"),
            ("{python} -m pip check", "nothing: shows which packages ask for other versions"),
        ),
        examples=(
            "TypeError: hf_hub_download() got an unexpected keyword argument 'use_auth_token'",
            "TypeError: Accelerator.__init__() got an unexpected keyword argument 'logging_dir'",
        ),
    ),
    Symptom(
        id="pkg-resolver",
        area="version-conflict",
        weight=66,
        signs=(
            "because these package versions have conflicting dependencies",
            "ResolutionImpossible",
            "No solution found when resolving dependencies",
            "your requirements are unsatisfiable",
            "we can conclude that {x:any} are incompatible",
        ),
        needs=("depends on", "depend on", "conflicting dependencies", "ResolutionImpossible", "are incompatible"),
        unless=(
            "matching Python",
            "does not satisfy Python",
            "Python ABI tag",
            "matching platform tag",
            "python_requires",
        ),
        what="The wanted packages ask for versions that exclude each other.",
        cause="No set of versions satisfies all requirements; the lines around the message name the two that collide.",
        fix=(("dreamboot plan", "nothing: shows a set of versions that fits this machine"),),
        examples=(
            "ERROR: Cannot install torch==2.1.2 and xformers==0.0.25 because these package versions have conflicting dependencies.",
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because xformers==0.0.25 depends on torch==2.2.1 and you require torch==2.1.2, we can conclude that your requirements are unsatisfiable.",
        ),
    ),
    Symptom(
        id="pkg-incompatible-warning",
        area="version-conflict",
        level=Level.WARNING,
        weight=56,
        signs=(
            "{name} {v:ver} requires {want:any}, but you have {have:any} which is incompatible",
            "requires {want:any}, but {have:any} is not installed",
            "pip's dependency resolver does not currently take into account all the packages",
        ),
        packages=("diffusers", "transformers", "accelerate", "peft", "torch"),
        what="pip installed a version that another package refuses.",
        cause="{name} wants {want}, found {have}.",
        fix=(
            ("{python} -m pip install '{want}'", "the version that is asked for"),
            ("{python} -m pip check", "nothing: lists all conflicts"),
        ),
        examples=(
            "diffusers 0.36.0 requires huggingface-hub<2.0,>=0.34.0, but you have huggingface-hub 0.25.2 which is incompatible.",
        ),
    ),
)
