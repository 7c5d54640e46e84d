"""Settings and captions that kohya's scripts refuse before the first step."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Symptom

SCRIPTS = "https://github.com/kohya-ss/sd-scripts/tree/main/docs"

SYMPTOMS = (
    Symptom(
        id="ds-bucket-steps",
        area="dataset",
        weight=78,
        signs=("bucket_reso_steps is {have:int}. it must be divisible by {want:int}",),
        what="The step between bucket sizes does not suit this model.",
        cause="bucket_reso_steps is {have}; it must be a multiple of {want}.",
        fix=(("--bucket_reso_steps {want}", "or a multiple of it (64 is usual)"),),
        link=SCRIPTS,
        examples=("AssertionError: bucket_reso_steps is 1. it must be divisible by 32.",),
    ),
    Symptom(
        id="ds-bucket-metadata",
        area="dataset",
        weight=76,
        signs=("bucket_no_upscale cannot be used", "bucket reso is precalculated"),
        what="Sizes were chosen when the metadata was made, and bucket_no_upscale would choose them again.",
        cause="The metadata file already names each image's bucket.",
        fix=(("--bucket_no_upscale", "remove this option, or make the metadata without buckets"),),
        link=SCRIPTS,
        examples=(
            "AssertionError: if metadata has bucket info, bucket reso is precalculated, so bucket_no_upscale cannot be used",
        ),
    ),
    Symptom(
        id="ds-no-metadata",
        area="dataset",
        weight=78,
        signs=("^ValueError: no metadata ... : {path}$", "ValueError: no metadata /"),
        what="The metadata file of the data set is not there.",
        cause="Fine-tuning reads captions and buckets from a JSON file, which must be made first and be named as it is.",
        fix=(
            ("{python} finetune/merge_captions_to_metadata.py IMAGES meta_cap.json", "makes the file of captions"),
            (
                "{python} finetune/prepare_buckets_latents.py IMAGES meta_cap.json meta_lat.json MODEL",
                "adds the buckets",
            ),
        ),
        link=SCRIPTS,
        examples=("ValueError: no metadata / メタデータファイルがありません: /workspace/config/meta_lat.json",),
    ),
    Symptom(
        id="ds-caption-encoding",
        area="dataset",
        weight=78,
        signs=(
            "read_caption ... 'utf-8' codec can't decode byte",
            "caption ... UnicodeDecodeError: 'utf-8' codec can't decode byte",
        ),
        what="A caption file is not UTF-8.",
        cause="It was saved in another encoding (0xff at the start: UTF-16, as PowerShell 5 writes).",
        fix=(
            ("file -i *.txt", "nothing: names the encoding of each file (Windows: Notepad shows it at the bottom)"),
            ("iconv -f UTF-16 -t UTF-8 OLD.txt > NEW.txt", "writes it anew (Notepad: Save as, UTF-8)"),
        ),
        examples=(
            "  File \"C:\\kohya_ss\\sd-scripts\\library\\train_util.py\", line 1740, in read_caption\nUnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
    ),
)
