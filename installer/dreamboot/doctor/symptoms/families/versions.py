"""Packages whose versions do not go together."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from typing import Mapping

from dreamboot.doctor.symptoms.base import Level, LogView, Symptom


def _two_versions(captures: Mapping[str, str], _log: LogView) -> bool:
    return captures["claimed"] != captures["have"]


def _said_otherwise(captures: Mapping[str, str], log: LogView) -> bool:
    """Another line of the log names another version of the same package: there are two copies."""
    name = captures["name"].replace("-", "_").lower()
    spellings = {name, name.replace("_", "-")}
    have = captures["have"].lower()
    for spelling in spellings:
        for sign in (
            f"Name: {spelling} Version: {{other:ver}}",
            f"^{spelling} {{other:ver}}$",
            f"Requirement already satisfied: {spelling}",
            f"Successfully installed ... {spelling}-{{other:ver}}",
        ):
            found = log.find(sign)
            if found is not None and not found.captures.get("other", "?").lower().startswith(have):
                return True
    return False


SYMPTOMS = (
    Symptom(
        id="pkg-numba-numpy",
        area="version-conflict",
        weight=82,
        signs=("Numba needs NumPy {wanted:ver} or less. Got NumPy {found:ver}",),
        what="numba is too old for this NumPy.",
        cause="numba takes NumPy up to {wanted}; {found} is installed. Each release of numba names the newest NumPy that it knows.",
        fix=(
            ("{python} -m pip install --upgrade numba", "a numba that knows this NumPy"),
            ("{python} -m pip install 'numpy<={wanted}'", "or: the NumPy that this numba knows"),
        ),
        link="https://numba.readthedocs.io/en/stable/user/installing.html",
        examples=("ImportError: Numba needs NumPy 2.0 or less. Got NumPy 2.2.",),
    ),
    Symptom(
        id="pkg-invalid-version",
        area="version-conflict",
        weight=70,
        signs=("InvalidVersion: Invalid version: '{version:any}'",),
        what="A package is installed under a version that is none.",
        cause="'{version}' does not follow Python's rules for versions, which setuptools 66 and packaging 22 began to insist on.",
        fix=(
            ("dreamboot doctor --python {python}", "nothing: lists the packages of this environment"),
            ("{python} -m pip list", "nothing: find the package with that version, and install a release of it"),
        ),
        link="https://packaging.python.org/en/latest/specifications/version-specifiers/",
        examples=("packaging.version.InvalidVersion: Invalid version: '0.0.16+2166360.d20230112.x-y'",),
    ),
    Symptom(
        id="pkg-pydantic-2",
        area="version-conflict",
        weight=82,
        signs=(
            "`BaseSettings` has been moved to the `pydantic-settings` package",
            "PydanticUserError: A non-annotated attribute was detected",
            "PydanticUserError: If you use `@root_validator`",
            "pydantic.errors.PydanticImportError",
            "module 'pydantic' has no attribute",
        ),
        what="A package was written for pydantic 1, and pydantic 2 is installed.",
        cause="pydantic 2 moved or removed what older web UIs, gradio, fastapi and deepspeed releases use.",
        fix=(
            (
                "{python} -m pip install 'pydantic<2'",
                "the version that the older package was written for; or a newer package",
            ),
        ),
        link="https://docs.pydantic.dev/latest/migration/",
        examples=(
            "pydantic.errors.PydanticImportError: `BaseSettings` has been moved to the `pydantic-settings` package. See https://docs.pydantic.dev/2.5/migration/#basesettings-has-moved-to-pydantic-settings for more details.",
        ),
    ),
    Symptom(
        id="pkg-cached-download",
        area="version-conflict",
        weight=88,
        signs=(
            "cannot import name 'cached_download' from 'huggingface_hub'",
            "has no attribute 'cached_download'",
        ),
        what="diffusers is too old for huggingface_hub.",
        cause="cached_download was removed in huggingface_hub 0.26; diffusers before 0.29 still imports it.",
        fix=(
            ("{python} -m pip install --upgrade 'diffusers>=0.29'", "a diffusers that does without it"),
            ("{python} -m pip install 'huggingface_hub==0.25.2'", "or: keeps an old diffusers working"),
        ),
        link="https://github.com/huggingface/huggingface_hub/issues/2617",
        cases=("pkg-cached-download",),
        examples=(
            "ImportError: cannot import name 'cached_download' from 'huggingface_hub' (/v/lib/python3.11/site-packages/huggingface_hub/__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-split-state-dict",
        area="version-conflict",
        weight=88,
        signs=("cannot import name 'split_torch_state_dict_into_shards' from 'huggingface_hub'",),
        what="huggingface_hub is too old for what imports it.",
        cause="split_torch_state_dict_into_shards came with huggingface_hub 0.23; transformers, accelerate or diffusers here are newer than that.",
        fix=(
            (
                "{python} -m pip install --upgrade huggingface_hub transformers accelerate diffusers",
                "brings versions that belong together",
            ),
        ),
        cases=("pkg-split-state-dict",),
        examples=(
            "ImportError: cannot import name 'split_torch_state_dict_into_shards' from 'huggingface_hub' (/v/lib/python3.10/site-packages/huggingface_hub/__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-clear-device-cache",
        area="version-conflict",
        weight=88,
        signs=(
            "cannot import name 'clear_device_cache' from 'accelerate",
            "cannot import name '{name}' from 'accelerate",
        ),
        what="accelerate is too old for peft, transformers or diffusers.",
        cause="{name} is not in this accelerate; peft 0.15 and later need accelerate 1.3 or later.",
        fix=(("{python} -m pip install --upgrade accelerate", "brings the function that is missing"),),
        link="https://github.com/huggingface/accelerate/releases",
        cases=("pkg-clear-device-cache",),
        examples=(
            (
                "ImportError: cannot import name 'clear_device_cache' from 'accelerate.utils.memory' (/v/site-packages/accelerate/utils/memory.py)\n\n"
                "The above exception was the direct cause of the following exception:\n\nRuntimeError: Failed to import diffusers.loaders.peft because of the following error (look up to see its traceback):"
            ),
        ),
    ),
    Symptom(
        id="pkg-encoder-decoder-cache",
        area="version-conflict",
        weight=88,
        signs=(
            "cannot import name '<EncoderDecoderCache|HybridCache|Cache|DynamicCache>' from 'transformers",
            "cannot import name 'EncoderDecoderCache' from 'transformers'",
        ),
        what="peft and transformers do not go together.",
        cause="peft 0.13 and later import cache classes that older transformers lack (HybridCache left in transformers 5).",
        fix=(("{python} -m pip install --upgrade peft transformers", "brings versions that belong together"),),
        cases=("pkg-encoder-decoder-cache",),
        examples=(
            "ImportError: cannot import name 'EncoderDecoderCache' from 'transformers' (/usr/local/lib/python3.10/dist-packages/transformers/__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-text-encoder-lora-sd",
        area="version-conflict",
        weight=88,
        signs=("cannot import name '{name}' from 'diffusers",),
        what="diffusers has another version than this trainer was written for.",
        cause="{name} is not in this diffusers: it was removed, renamed, or came later.",
        fix=(("{python} -m pip install -r requirements.txt", "goes back to the versions that the trainer names"),),
        link="https://github.com/huggingface/diffusers/releases",
        cases=("pkg-text-encoder-lora-sd",),
        examples=(
            "ImportError: cannot import name 'text_encoder_lora_state_dict' from 'diffusers.loaders' (C:\\a\\venv\\lib\\site-packages\\diffusers\\loaders\\__init__.py)",
        ),
    ),
    Symptom(
        id="pkg-diffusers-range-claim",
        area="version-conflict",
        level=Level.WARNING,
        weight=66,
        signs=(
            "Installed version of diffusers: {have:ver} ... diffusers v{claimed:ver} is already installed",
            "diffusers v{claimed:ver} is already installed ... Installed version of diffusers: {have:ver}",
        ),
        when=_two_versions,
        packages=("diffusers", "dreambooth"),
        what="The extension takes another diffusers for the one that it wants.",
        cause="It wants {claimed} and finds {have}; its check accepts every newer version, also those that do not fit.",
        fix=(("{python} -m pip install 'diffusers=={claimed}'", "the version that the extension was written for"),),
        cases=("pkg-diffusers-range-claim",),
        examples=("Installed version of diffusers: 0.29.0\n[Dreambooth] diffusers v0.25.0 is already installed.\n",),
    ),
    Symptom(
        id="pkg-hub-stale-copy",
        area="corrupted-install",
        weight=86,
        signs=("{name}{want:any} is required for a normal functioning of this module, but found {again}=={have:ver}",),
        when=lambda captures, log: _said_otherwise({**captures, "name": captures["again"]}, log),
        what="Two copies of {again} are installed, and the old one is imported.",
        cause="pip speaks of another version than the {have} that is found: a stale dist-info, or a copy in another folder of sys.path.",
        fix=(
            ("{python} -m pip uninstall -y {again}", "repeat it until pip says that it is not installed"),
            ("{python} -m pip install --upgrade {again}", "installs one copy"),
        ),
        leads_to=("pkg-required-version",),
        cases=("pkg-hub-stale-copy",),
        examples=(
            (
                "$ pip show huggingface-hub\nName: huggingface-hub\nVersion: 0.23.4\n"
                "ImportError: huggingface-hub>=0.19.3,<1.0 is required for a normal functioning of this module, but found huggingface-hub==0.17.1."
            ),
        ),
    ),
    Symptom(
        id="pkg-required-version",
        area="version-conflict",
        weight=84,
        signs=(
            "is required for a normal functioning of this module, but found {name}=={have:ver}",
            "is required for a normal functioning of this module",
        ),
        what="transformers or diffusers refuses the {name} that is installed.",
        cause="Found {name} {have}, which is outside the range that the message names.",
        fix=(
            ("{python} -m pip install --upgrade transformers diffusers {name}", "brings versions that belong together"),
        ),
        examples=(
            "ImportError: huggingface-hub>=0.34.0,<1.0 is required for a normal functioning of this module, but found huggingface-hub==1.2.3.",
        ),
    ),
    Symptom(
        id="pkg-protobuf",
        area="version-conflict",
        weight=84,
        signs=(
            "Descriptors cannot be created directly",
            "Descriptors cannot not be created directly",
            "cannot import name 'builder' from 'google.protobuf.internal'",
            "'MessageFactory' object has no attribute 'GetPrototype'",
            "Detected incompatible Protobuf Gencode/Runtime versions",
        ),
        what="protobuf is too new (or too old) for code that was generated for another.",
        cause="tensorboard, onnx or another package brought generated files that this protobuf refuses.",
        fix=(
            ("{python} -m pip install --upgrade tensorboard onnx", "newer packages with new files"),
            ("{python} -m pip install 'protobuf<=3.20.3'", "or: an old protobuf for the old files"),
        ),
        link="https://protobuf.dev/news/2022-05-06/",
        cases=("pkg-protobuf",),
        examples=(
            "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, your generated code is out of date",
        ),
    ),
    Symptom(
        id="pkg-pkg-resources",
        area="version-conflict",
        weight=82,
        signs=("No module named 'pkg_resources'",),
        what="setuptools no longer brings pkg_resources.",
        cause="setuptools 82 removed pkg_resources; tensorboard up to 2.20 and some old packages import it.",
        fix=(
            ("{python} -m pip install 'setuptools<82'", "the last that has it"),
            ("{python} -m pip install --upgrade tensorboard", "or: a tensorboard without it"),
        ),
        link="https://github.com/tensorflow/tensorboard/issues/7107",
        examples=("ModuleNotFoundError: No module named 'pkg_resources'",),
    ),
    Symptom(
        id="pkg-flax-weights",
        area="version-conflict",
        weight=88,
        signs=(
            "cannot import name 'FLAX_WEIGHTS_NAME' from 'transformers",
            "cannot import name 'MT5Tokenizer' from 'transformers",
            "cannot import name '{name}' from 'transformers",
        ),
        what="transformers has another version than diffusers (or the trainer) was written for.",
        cause="A name was imported that this transformers does not have; diffusers before 0.37 does not go with transformers 5.",
        fix=(
            (
                "{python} -m pip install --upgrade 'diffusers>=0.37' transformers",
                "brings versions that belong together",
            ),
            ("{python} -m pip install 'transformers<5'", "or: keeps the old diffusers working"),
        ),
        link="https://github.com/huggingface/diffusers/issues/13035",
        examples=(
            "ImportError: cannot import name 'FLAX_WEIGHTS_NAME' from 'transformers.utils' (/v/site-packages/transformers/utils/__init__.py)",
        ),
    ),
)
