"""Faults in models, photos and the hub's cache."""

from __future__ import annotations

import json
import struct


def safetensors(tensors, cut=0):
    header = json.dumps(tensors).encode()
    size = max((entry["data_offsets"][1] for entry in tensors.values()), default=0)
    data = struct.pack("<Q", len(header)) + header + b"\0" * size
    return data[: len(data) - cut] if cut else data


def tensor(shape, size):
    return {"dtype": "F16", "shape": shape, "data_offsets": [0, size]}


def model_cut(env):
    env.data = [
        env.write(env.root / "models/m.safetensors", safetensors({"a": tensor([50, 10], 1000)}, cut=300)).parent
    ]


def model_is_pointer(env):
    env.data = [
        env.write(
            env.root / "models/m.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"
        ).parent
    ]


def model_is_page(env):
    env.data = [env.write(env.root / "models/m.ckpt", "<!DOCTYPE html><html>sign in</html>").parent]


def model_header_absurd(env):
    env.data = [env.write(env.root / "models/m.safetensors", struct.pack("<Q", 1 << 40) + b"x" * 100).parent]


def checkpoint_cut(env):
    env.data = [env.write(env.root / "models/m.ckpt", b"PK\x03\x04" + b"\0" * 5000).parent]


def model_inpainting(env):
    env.data = [
        env.write(
            env.root / "models/m.safetensors", safetensors({"conv_in.weight": tensor([32, 9, 3, 3], 5184)})
        ).parent
    ]


def pickle_refused(env):
    env.stub("torch", "2.2.2+cpu")
    env.stub("transformers", "4.52.0")
    env.data = [env.write(env.root / "models/m.bin", b"PK\x03\x04" + b"\0" * 4000 + b"PK\x05\x06" + b"\0" * 18).parent]


PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 200 + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 200 + b"\xff\xd9"


def photo_is_page(env):
    env.write(env.root / "photos/a.png", PNG)
    env.data = [env.write(env.root / "photos/b.png", "<html>404</html>").parent]


def photo_mislabelled(env):
    env.data = [env.write(env.root / "photos/a.png", JPEG).parent]


def photo_cut(env):
    env.data = [env.write(env.root / "photos/a.png", PNG[:100]).parent]


def photo_folders_reversed(env):
    env.data = [env.write(env.root / "photos/10_girl/images/a.png", PNG).parents[2]]


def hub_link_broken(env):
    folder = env.home / ".cache/huggingface/hub/models--a--b/snapshots/1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").symlink_to("../../blobs/gone")


def hub_gated_without_token(env):
    (env.home / ".cache/huggingface/hub/models--black-forest-labs--FLUX.1-dev/snapshots").mkdir(parents=True)


def hub_not_writable(env):
    env.environ["HF_HOME"] = str(env.write(env.root / "a-file", "x") / "huggingface")


# fault → (the id that must name it, its status)
FAULTS = {
    model_cut: ("model-files-whole", "error"),
    model_is_pointer: ("model-files-whole", "error"),
    model_is_page: ("model-files-whole", "error"),
    model_header_absurd: ("model-files-whole", "error"),
    checkpoint_cut: ("model-files-whole", "error"),
    model_inpainting: ("model-files-kind", "warning"),
    pickle_refused: ("model-files-pickle", "warning"),
    photo_is_page: ("photos-readable", "error"),
    photo_mislabelled: ("photos-readable", "warning"),
    photo_cut: ("photos-readable", "error"),
    photo_folders_reversed: ("photos-layout", "warning"),
    hub_link_broken: ("hub-cache", "error"),
    hub_gated_without_token: ("hub-login", "warning"),
    hub_not_writable: ("hub-writable", "error"),
}
# What --fix mends by itself without fetching anything.
MENDED = (hub_link_broken,)
