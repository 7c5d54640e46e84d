"""Permissions, and the photos to train on."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

SYMPTOMS = (
    Symptom(
        id="perm-docker-cache",
        area="permissions",
        weight=76,
        signs=(
            "[Errno 13] {text:any}: '{path:any}'",
            "[Errno 13]",
            "PermissionError: [WinError 5]",
            "(os error 13)",
            "[Errno 30]",
            "[Errno 1] Operation not permitted",
        ),
        unless=(
            "/dev/kfd",
            "/dev/dri",
            "/dev/nvidia",
            "Could not install packages due to an OSError: [WinError 5]",
            "docker.sock",
        ),
        what="A file or folder may not be written.",
        cause="This user has no right to {path}: it belongs to another user (a bind mount made by root, a cache filled with sudo), or is read-only.",
        fix=(
            ("sudo chown -R $(id -u):$(id -g) {path}", "gives the folder to your user"),
            ("docker run --user $(id -u):$(id -g) ...", "in a container: runs as you"),
        ),
        cases=("perm-docker-cache",),
        examples=(
            "PermissionError: [Errno 13] Permission denied: '/home/appuser/.cache/huggingface'",
            "PermissionError: [Errno 13] Keine Berechtigung: '/data/out'",
        ),
    ),
    Symptom(
        id="perm-kfd",
        area="permissions",
        weight=86,
        signs=(
            "Unable to open /dev/kfd",
            "/dev/kfd: Permission denied",
            "/dev/kfd ... Permission denied",
            "/dev/dri/renderD{n:int}{x:any}Permission denied",
            "Failed to open /dev/kfd",
            'not a member of "render" group',
            'is not member of "render" group',
            'is not a member of "video" group',
        ),
        what="Your user may not use the AMD GPU.",
        cause="/dev/kfd and /dev/dri belong to the groups render and video, and your user is in neither.",
        fix=(
            (
                "sudo usermod -aG render,video $USER",
                "adds you to the groups; log out and in again (in a container: --group-add render --group-add video)",
            ),
        ),
        link="https://rocm.docs.amd.com/projects/install-on-linux/en/latest/install/prerequisites.html",
        cases=("perm-kfd",),
        examples=("Unable to open /dev/kfd read-write: Permission denied",),
    ),
    Symptom(
        id="perm-nvidia",
        area="permissions",
        weight=82,
        signs=(
            "Failed to initialize NVML: Insufficient Permissions",
            "/dev/nvidia0: Permission denied",
            "/dev/nvidiactl: Permission denied",
            "/dev/nvidia0: Operation not permitted",
        ),
        what="Your user may not use the NVIDIA GPU.",
        cause="The device files /dev/nvidia* are not readable and writable for this user.",
        fix=(
            ("ls -l /dev/nvidia*; id", "nothing: shows who may"),
            ("sudo usermod -aG video $USER", "adds you to the group that owns them; log in again"),
        ),
        examples=("Failed to initialize NVML: Insufficient Permissions",),
    ),
    Symptom(
        id="ds-no-data",
        area="dataset",
        weight=84,
        signs=(
            "No data found. Please verify arguments (train_data_dir",
            "train_data_dir must be the parent of folders with images",
            "0 train images with repeating",
            "画像がありません",
        ),
        leads_to=("ds-empty",),
        what="The training folder holds no folder with images.",
        cause="train_data_dir must be the parent of folders named N_name (10_sks dog); here the folder with the images itself was given.",
        fix=(
            (
                "mkdir -p DATA/10_sks && mv DATA/*.* DATA/10_sks/",
                "puts the images one level down; train_data_dir stays DATA",
            ),
        ),
        cases=("ds-no-data",),
        examples=("No data found. Please verify arguments (train_data_dir must be the parent of folders with images)",),
    ),
    Symptom(
        id="ds-reversed",
        area="dataset",
        weight=84,
        signs=(
            "Not all images folders have proper name patterns",
            "No images were found in the folder",
            "ignore directory without repeats",
            "繰り返し回数のないディレクトリを無視します",
        ),
        what="The image folders are not named as the trainer wants.",
        cause="Each folder below the training folder must be called NUMBER_name (10_girl); here the order is turned round, or the number is missing.",
        fix=(
            (
                "mv DATA/10_girl/images DATA/10_girl2 && rmdir DATA/10_girl && mv DATA/10_girl2 DATA/10_girl",
                "the number belongs to the folder that holds the images",
            ),
        ),
        cases=("ds-reversed",),
        examples=("Not all images folders have proper name patterns in D:/train/10_girl. Please review and fix.",),
    ),
    Symptom(
        id="ds-empty",
        area="dataset",
        weight=70,
        signs=(
            "num_samples should be a positive integer value, but got num_samples=0",
            "Instance images root doesn't exist",
            "root doesn't exists",
            "Instance data root",
            "Instance {x:any} images root doesn't exists",
            "no training images found",
            "No images found in",
            "found 0 images",
            "contains 0 image files",
        ),
        what="No photo was found.",
        cause="The data folder is empty, does not exist, or holds other file types than the trainer reads.",
        fix=(("ls DATA", "nothing: shows what is there; jpg, png and webp are read by every trainer"),),
        examples=(
            "ValueError: num_samples should be a positive integer value, but got num_samples=0",
            "ValueError: Instance images root doesn't exists.",
        ),
    ),
    Symptom(
        id="ds-mislabelled-ext",
        area="dataset",
        weight=84,
        signs=(
            "unrecognized data stream contents when reading image file",
            "broken data stream when reading image file",
            "image file is truncated",
            "broken PNG file",
            "Truncated File Read",
            "Decompressed Data Too Large",
        ),
        what="A photo is damaged, or is of another type than its name says.",
        cause="The file begins as an image and can't be read to its end: a broken download, or a JPEG that is called .png.",
        fix=(
            ("dreamboot doctor", "nothing: names the photos whose content does not fit their name"),
            ("convert BAD.png GOOD.jpg", "writes it anew (ImageMagick), or take it out"),
        ),
        leads_to=("ds-unidentified",),
        cases=("ds-mislabelled-ext",),
        examples=(
            "OSError: unrecognized data stream contents when reading image file",
            "OSError: image file is truncated (12 bytes not processed)",
        ),
    ),
    Symptom(
        id="ds-unidentified",
        area="dataset",
        weight=82,
        signs=(
            "cannot identify image file '{path:any}'",
            "cannot identify image file",
            "UnidentifiedImageError",
            "is not a valid image file",
        ),
        what="A file in the photo folder is not an image.",
        cause="{path} is something else (often a web page that was saved as an image), or a format that needs a plug-in (HEIC, AVIF).",
        fix=(
            ("mv '{path}' /tmp/", "takes the file out"),
            ("{python} -m pip install pillow-heif", "for HEIC photos of an iPhone: converts them"),
        ),
        cases=("ds-unidentified",),
        examples=("PIL.UnidentifiedImageError: cannot identify image file '/data/img/photo.png'",),
    ),
    Symptom(
        id="ds-gray",
        area="dataset",
        weight=76,
        signs=("output with shape [1,{size:any}] doesn't match the broadcast shape [3,",),
        what="A photo is grey, and the trainer expects three colours.",
        cause="The file has one channel (8-bit grey); normalising it with three values fails.",
        fix=(("mogrify -colorspace sRGB -type TrueColor DATA/*", "makes all photos RGB (ImageMagick, on a copy)"),),
        link="https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html",
        examples=("RuntimeError: output with shape [1, 512, 512] doesn't match the broadcast shape [3, 512, 512]",),
    ),
    Symptom(
        id="ds-mode",
        area="dataset",
        weight=74,
        signs=(
            "cannot write mode RGBA as JPEG",
            "cannot write mode P as JPEG",
            "DecompressionBombError",
            "The size of tensor a (4) must match the size of tensor b (3)",
        ),
        what="A photo has a format that the trainer does not expect.",
        cause="Transparency or a palette where three colours are wanted, or an image of over 180 megapixels.",
        fix=(
            (
                "mogrify -alpha off -resize '4096x4096>' DATA/*",
                "removes transparency and shrinks giants (ImageMagick, on a copy)",
            ),
        ),
        examples=("OSError: cannot write mode RGBA as JPEG",),
    ),
)
