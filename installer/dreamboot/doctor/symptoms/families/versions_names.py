"""Names that left a package, or came later: attributes of classes, and files of two versions side by side."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import LogView, Symptom

# Classes of diffusers, transformers, accelerate and peft that trainers hold in their hands.
_CLASSES = frozenset(
    name.lower()
    for name in (
        "UNet2DConditionModel", "AutoencoderKL", "ControlNetModel", "SD3Transformer2DModel", "FluxTransformer2DModel", "Transformer2DModel",
        "CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTextTransformer", "CLIPTextEmbeddings", "CLIPTokenizer", "CLIPTokenizerFast",
        "CLIPFeatureExtractor", "CLIPImageProcessor", "T5EncoderModel", "T5Tokenizer", "Accelerator", "AcceleratorState", "PartialState",
        "LoraConfig", "LoraModel", "FrozenDict", "DynamicCache", "Attention", "CrossAttention", "LoRACrossAttnProcessor",
        "AttentionBlock",
    )
)  # fmt: skip


def _library_class(captures: Mapping[str, str], _log: LogView) -> bool:
    kind = captures["kind"].lower()
    return (
        kind in _CLASSES or (kind.endswith("scheduler") and len(kind) > len("scheduler")) or kind.endswith("pipeline")
    )


SYMPTOMS = (
    Symptom(
        id="pkg-class-attribute",
        area="version-conflict",
        weight=62,
        signs=("'{kind}' object has no attribute '{name}'",),
        when=_library_class,
        what="{kind} is of another version than the code that uses it was written for.",
        cause="{kind} has no '{name}' in the installed diffusers, transformers, accelerate or peft: it was removed, renamed, or came later.",
        fix=(
            ("{python} -m pip install -r requirements.txt", "goes back to the versions that the program names"),
            ("{python} -m pip check", "nothing: shows which packages ask for other versions"),
        ),
        link="https://github.com/huggingface/diffusers/releases",
        examples=(
            "AttributeError: 'Accelerator' object has no attribute 'use_fp16'",
            "AttributeError: 'PNDMScheduler' object has no attribute 'set_format'",
        ),
        others=(
            "AttributeError: 'NoneType' object has no attribute 'shape'",
            "AttributeError: 'DistributedDataParallel' object has no attribute 'config'",
            "AttributeError: 'LRScheduler' is fine",
        ),
    ),
    Symptom(
        id="pkg-pillow-name",
        area="version-conflict",
        weight=76,
        signs=(
            "'<FreeTypeFont|ImageFont|TransposedFont|ImageDraw>' object has no attribute '<textsize|multiline_textsize|getsize_multiline|getsize|getoffset>'",
        ),
        what="Code written for Pillow 9 runs with Pillow 10 or newer.",
        cause="Pillow 10 removed textsize and getsize of fonts and drawings; textbbox, textlength and getbbox took their place.",
        fix=(
            ("{python} -m pip install 'pillow<10'", "goes back to the last Pillow that has them"),
            ("{python} -m pip install -r requirements.txt", "or: the versions that the program names"),
        ),
        link="https://pillow.readthedocs.io/en/stable/releasenotes/10.0.0.html",
        examples=(
            "AttributeError: 'ImageDraw' object has no attribute 'textsize'",
            "AttributeError: 'FreeTypeFont' object has no attribute 'getsize'",
        ),
    ),
    Symptom(
        id="pkg-own-parts",
        area="corrupted-install",
        weight=92,
        signs=(
            "Failed to import diffusers.{part} because of the following error (look up to see its traceback): cannot import name '{name}' from '{module}'",
            "Failed to import transformers.{part} because of the following error (look up to see its traceback): cannot import name '{name}' from '{module}'",
        ),
        when=lambda captures, log: log.has(
            f"Failed to import {captures['module'].partition('.')[0]}.{captures['part']} because"
        ),
        unless=("partially initialized module",),
        leads_to=("pkg-text-encoder-lora-sd", "pkg-flax-weights", "pkg-import-name", "pkg-encoder-decoder-cache"),
        what="A package's own files are of two versions.",
        cause="A part of the package asks {module} for '{name}', which is in the same package: an update was interrupted, or two copies lie on sys.path.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-deps diffusers transformers",
                "installs every file of both again",
            ),
            ("dreamboot doctor --python {python}", "nothing: compares every installed file with what was recorded"),
        ),
        examples=(
            "RuntimeError: Failed to import diffusers.pipelines.pipeline_utils because of the following error (look up to see its traceback):\ncannot import name 'is_peft_version' from 'diffusers.utils' (/v/lib/python3.10/site-packages/diffusers/utils/__init__.py)",
        ),
        others=(
            "RuntimeError: Failed to import diffusers.loaders.peft because of the following error (look up to see its traceback):\ncannot import name 'EncoderDecoderCache' from 'transformers' (/v/lib/python3.10/site-packages/transformers/__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-hf-folder",
        area="version-conflict",
        weight=88,
        signs=("cannot import name 'HfFolder' from 'huggingface_hub'",),
        leads_to=("pkg-import-name",),
        what="A package is too old for huggingface_hub 1.",
        cause="HfFolder was removed in huggingface_hub 1.0; the file above the message (gradio, diffusers, datasets) still imports it.",
        fix=(
            (
                "{python} -m pip install --upgrade diffusers gradio datasets",
                "newer packages: upgrade the one that the traceback names",
            ),
            ("{python} -m pip install 'huggingface_hub<1'", "or: keeps the old package working"),
        ),
        link="https://huggingface.co/docs/huggingface_hub/concepts/migration",
        examples=(
            "  File \"/v/lib/python3.11/site-packages/gradio/oauth.py\", line 11, in <module>\nImportError: cannot import name 'HfFolder' from 'huggingface_hub' (/v/lib/python3.11/site-packages/huggingface_hub/__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-numpy-name",
        area="version-conflict",
        weight=80,
        signs=("was removed in the NumPy 2.0 release", "`{name}` was removed in the NumPy 2"),
        what="A package is too old for NumPy 2.",
        cause="It uses a name that NumPy 2.0 removed (np.float_, np.cast, np.Inf …).",
        fix=(
            ("{python} -m pip install 'numpy<2'", "goes back to NumPy 1.26"),
            ("{python} -m pip check", "nothing: shows which packages ask for other versions"),
        ),
        link="https://numpy.org/doc/stable/numpy_2_0_migration_guide.html",
        examples=("AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead.",),
    ),
    Symptom(
        id="bnb-own-parts",
        area="bitsandbytes",
        weight=84,
        signs=("No module named 'bitsandbytes.{part}'",),
        what="Parts of bitsandbytes are missing.",
        cause="There is no bitsandbytes.{part}: its files are of two releases (a script copied Windows files over it), or another package wants a part that this release does not have.",
        fix=(
            ("{python} -m pip uninstall -y bitsandbytes bitsandbytes-windows", "removes what is there"),
            ("{python} -m pip install --no-cache-dir bitsandbytes", "installs one release, complete"),
        ),
        link="https://huggingface.co/docs/bitsandbytes/main/en/installation",
        leads_to=("bnb-load-failed", "bnb-setup-failed", "bnb-str2optimizer"),
        examples=(
            "  File \"C:\\kohya_ss\\venv\\lib\\site-packages\\bitsandbytes\\cuda_setup\\main.py\", line 21, in <module>\nModuleNotFoundError: No module named 'bitsandbytes.cuda_setup.paths'",
        ),
    ),
    Symptom(
        id="pkg-not-on-index",
        area="version-conflict",
        weight=74,
        signs=(
            "Because there is no version of {want} and you require",
            "Because {want} was not found in the package registry and",
            "Because {want} was not found in the provided package locations and",
        ),
        unless=("network was disabled", "Packages were unavailable because the network"),
        what="No index that was asked has {want}.",
        cause="The name is misspelt, the version does not exist, or its build (+cu126, +rocm6.3 …) lies on torch's own index only.",
        fix=(
            (
                "uv pip install ... --extra-index-url https://download.pytorch.org/whl/cu126",
                "asks torch's index, too (take the tag of your plan)",
            ),
            ("dreamboot plan", "nothing: names versions and indexes that exist"),
        ),
        link="https://docs.astral.sh/uv/guides/integration/pytorch/",
        examples=(
            "  × No solution found when resolving dependencies:\n  ╰─▶ Because there is no version of torch==2.6.0+cu124 and you require torch==2.6.0+cu124, we can conclude that your requirements are unsatisfiable.",
        ),
    ),
    Symptom(
        id="py-platform-no-wheel",
        area="python-version",
        weight=84,
        signs=(
            "You're on {system} (`{tag}`), but `{name}` (v{v:ver}) only has wheels for the following platform",
            "Because {name:any} has no wheels with a matching platform tag (e.g., `{tag}`)",
            "has no wheels with a matching platform tag",
        ),
        leads_to=("py-uv-no-wheel", "pkg-resolver"),
        what="There is no build of a package for this system.",
        cause="This machine is {tag}, and the package exists only for other systems (Intel Macs: torch ended with 2.2; CUDA builds: Linux and Windows).",
        fix=(("dreamboot plan", "nothing: names versions and an index that have builds for this machine"),),
        link="https://docs.astral.sh/uv/guides/integration/pytorch/",
        examples=(
            "hint: You're on macOS (`macosx_15_0_x86_64`), but `torch` (v2.6.0) only has wheels for the following platforms: `manylinux_2_28_x86_64`, `win_amd64`",
        ),
    ),
)
