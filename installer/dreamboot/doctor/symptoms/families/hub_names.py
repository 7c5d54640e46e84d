"""Repositories, branches and folders that do not exist under the name that was given."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

_REFUSED = ("401 Client Error", "403 Client Error", "Cannot access gated repo", "GatedRepoError")
_GONE = (
    "Repository Not Found for url",
    "RepositoryNotFoundError",
    "404 Client Error",
    "is not a valid model identifier",
)

SYMPTOMS = (
    Symptom(
        id="net-runwayml",
        area="network-auth",
        weight=84,
        signs=(
            "https://huggingface.co/runwayml/stable-diffusion",
            "https://huggingface.co/api/models/runwayml/stable-diffusion",
            "runwayml/stable-diffusion-v1-5 is not a local folder",
            "runwayml/stable-diffusion-inpainting is not a local folder",
        ),
        needs=_GONE,
        unless=("Cannot access gated repo", "GatedRepoError"),
        leads_to=("net-gated-token-fine-grained", "net-repo-missing", "net-hf-outage", "mf-no-file"),
        what="The repositories of runwayml are no longer on the hub.",
        cause="Their owner removed them in August 2024; the hub answers 401 without a token and 404 with one.",
        fix=(
            (
                "hf download stable-diffusion-v1-5/stable-diffusion-v1-5",
                "the same model under its new name: give this name to the trainer (inpainting: stable-diffusion-v1-5/stable-diffusion-inpainting)",
            ),
        ),
        link="https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
        examples=(
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error.\n\nRepository Not Found for url: https://huggingface.co/runwayml/stable-diffusion-v1-5/resolve/main/model_index.json.",
        ),
    ),
    Symptom(
        id="net-repo-missing",
        area="network-auth",
        weight=80,
        signs=(
            "Repository Not Found for url: https://huggingface.co/{repository}/resolve",
            "Repository Not Found for url: https://huggingface.co/api/models/{repository}",
            "Repository Not Found for url",
            "RepositoryNotFoundError",
        ),
        needs=("404 Client Error",),
        unless=_REFUSED,
        leads_to=("net-gated-token-fine-grained", "net-hf-outage", "mf-no-file"),
        what="The hub has no repository of that name.",
        cause="It answered 404 for {repository}: the name is misspelt, the repository was renamed or removed, or it is private and the token belongs to somebody else.",
        fix=(
            ("https://huggingface.co/{repository}", "nothing: open it in a browser and copy the name from there"),
            ("hf auth whoami", "nothing: shows whose token is used, for a private repository"),
        ),
        link="https://huggingface.co/models",
        examples=(
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1-68)\n\nRepository Not Found for url: https://huggingface.co/somebody/my-dog/resolve/main/model_index.json.",
        ),
        others=(
            "huggingface_hub.errors.RepositoryNotFoundError: 401 Client Error. (Request ID: Root=1-68)\n\nRepository Not Found for url: https://huggingface.co/api/models/somebody/my-dog.",
        ),
    ),
    Symptom(
        id="net-revision-missing",
        area="network-auth",
        weight=80,
        signs=("RevisionNotFoundError", "Revision Not Found for url", "Invalid rev id: {revision}"),
        leads_to=("net-hf-outage", "mf-no-file"),
        what="The repository has no branch or commit of that name.",
        cause="The revision that was asked for does not exist there; branches called fp16 were replaced by file variants.",
        fix=(("--variant fp16", "instead of --revision fp16; leave --revision out for the main branch"),),
        link="https://huggingface.co/docs/diffusers/using-diffusers/loading",
        examples=(
            "huggingface_hub.errors.RevisionNotFoundError: 404 Client Error.\n\nRevision Not Found for url: https://huggingface.co/stabilityai/sdxl-turbo/resolve/fp16/model_index.json.\nInvalid rev id: fp16",
        ),
    ),
    Symptom(
        id="mf-not-a-folder",
        area="model-files",
        weight=80,
        signs=(
            "Repo id must be in the form 'repo_name' or 'namespace/repo_name': '{path}'",
            "Repo id must use alphanumeric chars{x:any}: '{path}'",
            "Repo id must use alphanumeric chars",
        ),
        leads_to=("mf-no-file", "net-hf-outage"),
        what="The model's path does not exist.",
        cause="{path} is no folder here, so it was taken for a name on the hub, which it can't be.",
        fix=(
            (
                'ls -d "{path}"',
                "nothing: shows whether the folder is there (in a container: mounted?); a single file is no folder",
            ),
        ),
        link="https://huggingface.co/docs/huggingface_hub/package_reference/utilities",
        examples=(
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/workspace/models/sd15'. Use `repo_type` argument if needed.",
            "HFValidationError: Repo id must use alphanumeric chars or '-', '_', '.', '--' and '..' are forbidden, '-' and '.' cannot start or end the name, max length is 96: '.\\models\\sd15'.",
        ),
    ),
    Symptom(
        id="net-hf-transfer",
        area="network-auth",
        weight=84,
        signs=("Fast download using 'hf_transfer' is enabled",),
        leads_to=("net-hf-outage", "mf-no-file"),
        what="A faster downloader is switched on, and not installed.",
        cause="HF_HUB_ENABLE_HF_TRANSFER=1 is set (some images and notebooks do that), and the package hf_transfer is missing.",
        fix=(
            ("unset HF_HUB_ENABLE_HF_TRANSFER", "downloads in the ordinary way"),
            ("{python} -m pip install hf_transfer", "or: installs it"),
        ),
        link="https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables",
        examples=(
            "ValueError: Fast download using 'hf_transfer' is enabled (HF_HUB_ENABLE_HF_TRANSFER=1) but 'hf_transfer' package is not available in your environment. Try `pip install hf_transfer`.",
        ),
    ),
)
