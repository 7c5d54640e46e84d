"""Model files: damaged, of another kind, or not allowed."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

AGAIN = (
    "huggingface-cli download --force-download REPOSITORY FILE",
    "fetches it again; compare its size with the one on its page",
)

SYMPTOMS = (
    Symptom(
        id="mf-incomplete",
        area="model-files",
        weight=84,
        signs=(
            "MetadataIncompleteBuffer",
            "incomplete metadata, file not fully covered",
            "InvalidHeaderDeserialization",
            "invalid JSON in header",
            "InvalidHeaderLength",
            "header too small",
            "HeaderTooSmall",
            "InvalidOffset",
            "failed finding central directory",
            "PytorchStreamReader failed reading zip archive",
            "pickle data was truncated",
            "unexpected EOF, expected {n:int} more bytes",
            "The file might be corrupted",
            "Consistency check failed: file should be of size",
            "invalid header length",
            "Ran out of input ... torch.load",
        ),
        what="A model file is cut off or damaged.",
        cause="The file is shorter than its own header says: a download or a copy was interrupted.",
        fix=(AGAIN, ("dreamboot doctor", "nothing: checks the header of every model file that it finds")),
        leads_to=("mf-unable-to-load", "mf-lfs-pointer"),
        cases=("mf-incomplete",),
        examples=(
            "safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer",
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
        ),
    ),
    Symptom(
        id="mf-header-limit",
        area="model-files",
        weight=82,
        signs=("deserializing header: header too large", "HeaderTooLarge"),
        what="The file's header is larger than safetensors reads.",
        cause="Most often it is no safetensors file (a git-lfs pointer, a web page, a renamed .ckpt): its first bytes are then read as a huge length. A real header over 100 MB is refused too.",
        fix=(("head -c 200 FILE", "nothing: a git-lfs pointer or a web page shows itself"), AGAIN),
        link="https://github.com/safetensors/safetensors/issues/668",
        cases=("mf-header-limit",),
        examples=(
            "safetensors_rust.SafetensorError: Error while deserializing header: header too large",
            "Error while deserializing header: HeaderTooLarge",
        ),
    ),
    Symptom(
        id="mf-lfs-pointer",
        area="model-files",
        weight=80,
        signs=(
            "invalid load key, 'v'",
            "invalid load key, '<'",
            "version https://git-lfs.github.com/spec",
            "invalid load key",
            "seems you do not have git-lfs installed",
            "You seem to have cloned a repository without having git-lfs installed",
        ),
        what="The file is not the model, but a small text in its place.",
        cause="A git-lfs pointer (the repository was cloned without git-lfs) or a web page that was saved under the model's name.",
        fix=(("git lfs install && git lfs pull", "fetches the real files"), AGAIN),
        examples=("_pickle.UnpicklingError: invalid load key, 'v'.",),
    ),
    Symptom(
        id="mf-weights-only",
        area="model-files",
        weight=84,
        signs=(
            "Weights only load failed",
            "Unsupported global: GLOBAL {name} was not an allowed global",
            "WeightsUnpickler error",
            "Unsupported operand {n:int}",
        ),
        what="torch refuses this checkpoint, because it holds more than numbers.",
        cause="Since torch 2.6 only tensors are loaded by default; the file pickles other objects ({name}), which could run code.",
        fix=(
            ("dreamboot convert CHECKPOINT FOLDER", "reads the weights without running code, and writes safetensors"),
            ("model.safetensors", "take the safetensors version of the model, if there is one"),
        ),
        link="https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        cases=("mf-weights-only",),
        examples=(
            "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so you have two options",
        ),
    ),
    Symptom(
        id="mf-torch26-required",
        area="model-files",
        weight=86,
        signs=(
            "Due to a serious vulnerability issue in `torch.load`",
            "CVE-2025-32434",
            "require users to upgrade torch to at least v2.6",
        ),
        what="transformers refuses .bin and .ckpt files with this torch.",
        cause="Before torch 2.6 loading such files could run code (CVE-2025-32434); safetensors files are not concerned.",
        fix=(
            (
                "{python} -m pip install --upgrade 'torch>=2.6' torchvision",
                "a torch without the hole (keep the --index-url of your build)",
            ),
            ("use_safetensors=True", "or: the model's safetensors files"),
        ),
        link="https://nvd.nist.gov/vuln/detail/CVE-2025-32434",
        cases=("mf-torch26-required",),
        examples=(
            "ValueError: Due to a serious vulnerability issue in `torch.load`, even with `weights_only=True`, we now require users to upgrade torch to at least v2.6 in order to use the function.",
        ),
    ),
    Symptom(
        id="mf-inpaint",
        area="model-files",
        weight=86,
        signs=(
            "conv_in.weight: copying a param with shape torch.Size([{c:int}, 9, 3, 3]) from checkpoint",
            "conv_in.weight ... [{c:int}, 9, 3, 3]",
            "input_blocks.0.0.weight: copying a param with shape torch.Size([{c:int}, 9, 3, 3])",
            "expected input[{s:any}] to have 9 channels, but got 4 channels",
            "to have 4 channels, but got 9 channels",
            "to have 9 channels, but got 8 channels",
        ),
        leads_to=("mf-sdxl-in-sd15", "mf-size-mismatch"),
        what="The base model is an inpainting model.",
        cause="Expected 4 input channels, found 9: an inpainting checkpoint can't be trained as a plain one.",
        fix=(
            (
                "--pretrained_model_name_or_path stable-diffusion-v1-5/stable-diffusion-v1-5",
                "the plain model of the same family",
            ),
        ),
        cases=("mf-inpaint",),
        examples=(
            "size mismatch for conv_in.weight: copying a param with shape torch.Size([320, 9, 3, 3]) from checkpoint, the shape in current model is torch.Size([320, 4, 3, 3]).",
        ),
    ),
    Symptom(
        id="mf-sdxl-in-sd15",
        area="model-files",
        weight=82,
        signs=(
            "Error(s) in loading state_dict for UNet2DConditionModel",
            "Error(s) in loading state_dict for UNet2DModel",
            "Error(s) in loading state_dict for AutoencoderKL",
            "Error(s) in loading state_dict for CLIPTextModel: Missing key(s)",
            "Error(s) in loading state_dict for CLIPTextModel ... torch.Size([{c:int}, 1024])",
            "mat1 and mat2 shapes cannot be multiplied ({a:int}x2048 and 768x320)",
            "mat1 and mat2 shapes cannot be multiplied ({a:int}x768 and 2048x",
            "mat1 and mat2 shapes cannot be multiplied ({a:int}x1024 and 768x320)",
            "mat1 and mat2 shapes cannot be multiplied ({a:int}x768 and 1024x320)",
            "conditioner.embedders",
            "KeyError: 'time_embed.0.weight'",
            "KeyError: 'model.diffusion_model.input_blocks",
        ),
        needs=(
            "Missing key(s) in state_dict",
            "Unexpected key(s) in state_dict",
            "cannot be multiplied",
            "KeyError",
            "torch.Size([{c:int}, 1024])",
            "torch.Size([{c:int}, 2048])",
        ),
        what="The model is of another family than the script.",
        cause="The weights do not fit the network that the script builds: an SDXL (or SD 2) checkpoint in a script for SD 1.5, or the other way round.",
        fix=(
            ("sdxl_train_network.py", "kohya: the script for SDXL; --v2 for SD 2"),
            ("dreamboot train --family sdxl", "names the family; by default it is read from the file"),
        ),
        cases=("mf-sdxl-in-sd15",),
        examples=(
            'RuntimeError: Error(s) in loading state_dict for UNet2DConditionModel:\n\tMissing key(s) in state_dict: "conv_in.weight", "conv_in.bias"',
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (154x2048 and 768x320)",
        ),
    ),
    Symptom(
        id="mf-position-ids",
        area="version-conflict",
        weight=84,
        signs=(
            'Unexpected key(s) in state_dict: "text_model.embeddings.position_ids"',
            'Unexpected key(s) in state_dict: "embeddings.position_ids"',
        ),
        leads_to=("mf-sdxl-in-sd15",),
        what="The script is older than transformers.",
        cause="transformers 4.31 no longer keeps position_ids in CLIP's weights; older scripts load them strictly.",
        fix=(
            (
                "{python} -m pip install 'transformers<4.31'",
                "the version that the script was written for; or a newer script",
            ),
        ),
        examples=(
            'RuntimeError: Error(s) in loading state_dict for CLIPTextModel:\n\tUnexpected key(s) in state_dict: "text_model.embeddings.position_ids".',
        ),
    ),
    Symptom(
        id="mf-position-ids-missing",
        area="version-conflict",
        weight=84,
        signs=(
            'Missing key(s) in state_dict: "text_model.embeddings.position_ids"',
            'Missing key(s) in state_dict: "embeddings.position_ids"',
            'Missing key(s) in state_dict: "transformer.text_model.embeddings.position_ids"',
        ),
        # A network that lacks more than this belongs to another family.
        unless=('position_ids", "', "size mismatch for"),
        leads_to=("mf-sdxl-in-sd15",),
        what="The model was saved by a newer transformers than the one that loads it.",
        cause="transformers 4.31 no longer keeps position_ids in CLIP's weights; an older one insists on them.",
        fix=(
            ("{python} -m pip install --upgrade 'transformers>=4.31'", "a version that makes position_ids by itself"),
        ),
        link="https://github.com/huggingface/transformers/pull/24505",
        examples=(
            'RuntimeError: Error(s) in loading state_dict for CLIPTextModel:\n\tMissing key(s) in state_dict: "text_model.embeddings.position_ids".',
        ),
        others=(
            'RuntimeError: Error(s) in loading state_dict for CLIPTextModel:\n\tMissing key(s) in state_dict: "text_model.embeddings.position_ids", "text_model.encoder.layers.12.mlp.fc1.weight".',
        ),
    ),
    Symptom(
        id="mf-size-mismatch",
        area="model-files",
        weight=70,
        signs=(
            "size mismatch for {name:any}: copying a param with shape",
            "Cannot load {name:any} because ... expected shape",
            "Trying to set a tensor of shape torch.Size",
        ),
        what="The weights do not have the shapes that the network expects.",
        cause="The file belongs to another model (family, LoRA rank, text encoder) than the one that is built.",
        fix=(
            (
                "dreamboot train --family sdxl",
                "names the family; check that base model, LoRA and script belong together",
            ),
        ),
        examples=(
            "RuntimeError: Error(s) in loading state_dict for LoRANetwork:\n\tsize mismatch for lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight: copying a param with shape torch.Size([32, 768]) from checkpoint, the shape in current model is torch.Size([16, 768]).",
        ),
    ),
    Symptom(
        id="mf-no-file",
        area="model-files",
        weight=74,
        signs=(
            "Error no file named {name:any} found in directory",
            "no file named model_index.json",
            "errors.EntryNotFoundError",
            "Entry Not Found for url: https://huggingface.co/{name}",
            "does not appear to have a file named",
            "Unable to load weights from checkpoint file",
            "Unable to load weights from pytorch checkpoint file",
            "but no such modeling files are available",
            "Can't load the configuration of",
            "It looks like the config file at",
            "is not a folder containing a `.index.json` file",
            "The provided pretrained_model_name_or_path",
        ),
        unless=(
            "huggingface.co/{x:any}401",
            "401 Client Error",
            "403 Client Error",
            "Connection error",
            "ConnectionError",
            "couldn't connect",
            "MaxRetryError",
        ),
        what="The model's folder lacks a file.",
        cause="Not a complete diffusers folder (unet, vae, text_encoder, model_index.json …), a single-file checkpoint where a folder is wanted, or another variant (fp16) than asked for.",
        fix=(
            ("dreamboot convert CHECKPOINT FOLDER", "makes a diffusers folder of a single-file checkpoint"),
            ("ls -R MODEL", "nothing: shows what is there"),
        ),
        examples=("OSError: Error no file named diffusion_pytorch_model.bin found in directory /models/sd15/unet.",),
    ),
    Symptom(
        id="mf-unable-to-load",
        area="model-files",
        level=Level.LATE,
        weight=50,
        signs=("SafetensorError: Error while deserializing header", "Error while deserializing header"),
        what="A safetensors file can't be read.",
        cause="Its header is not valid: damaged, cut off, or not a safetensors file.",
        fix=(AGAIN,),
        examples=("safetensors_rust.SafetensorError: Error while deserializing header: something new",),
    ),
)
