"""There and back again gives the same bits, and diffusers' own reader agrees."""

from __future__ import annotations

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dreamboot_trainer.convert import convert, detect, from_original, to_original
from dreamboot_trainer.problems import TrainerError
from support.tiny_families import assert_same, tensors

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def test_folder_to_file_to_folder_is_bit_exact(models, family, tmp_path):
    file = tmp_path / "model.safetensors"
    to_original(models[family], file, dtype="keep")
    from_original(file, tmp_path / "back", tokenizer_dir=models[family] / "tokenizer")
    assert_same(tensors(models[family]), tensors(tmp_path / "back"))


def test_file_to_folder_to_file_is_bit_exact(models, family, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    to_original(models[family], first, dtype="keep")
    changed = {name: tensor + 1 if tensor.is_floating_point() else tensor for name, tensor in load_file(first).items()}
    changed |= {name: load_file(first)[name] for name in load_file(first) if "." not in name}
    save_file(changed, first)  # also without the metadata: the configs are then inferred
    from_original(first, tmp_path / "folder", tokenizer_dir=models[family] / "tokenizer")
    to_original(tmp_path / "folder", second, dtype="keep")
    assert_same(load_file(first), load_file(second))


def test_the_same_input_gives_the_same_bytes(models, family, tmp_path):
    for name in ("a", "b"):
        to_original(models[family], tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_cast_is_torchs_cast(models, family, tmp_path, dtype):
    for out, wish in (("kept", "keep"), ("cast", dtype)):
        to_original(models[family], tmp_path / f"{out}.safetensors", dtype=wish)
    kept, cast = (load_file(tmp_path / f"{name}.safetensors") for name in ("kept", "cast"))
    for name, tensor in cast.items():
        weights = tensor.is_floating_point() and "." in name  # schedule buffers and position ids keep their format
        assert tensor.dtype == (DTYPES[dtype] if weights else kept[name].dtype), name
        assert torch.equal(tensor, kept[name].to(tensor.dtype)), name


def test_half_precision_folder_widens_exactly(models, tmp_path):
    to_original(models["sd1"], tmp_path / "half.safetensors", dtype="bfloat16")
    from_original(
        tmp_path / "half.safetensors", tmp_path / "wide", dtype="float32", tokenizer_dir=models["sd1"] / "tokenizer"
    )
    expected = {name: tensor.to(torch.bfloat16).float() for name, tensor in tensors(models["sd1"]).items()}
    assert_same(expected, tensors(tmp_path / "wide"))


def pipeline_class(family):
    return StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline


def image(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    return pipeline("a cat", num_inference_steps=2, generator=generator, output_type="pt", height=16, width=16).images


def test_diffusers_own_reader_gets_the_same_model(models, family, tmp_path):
    """The independent referee: from_single_file knows the original layout without any of our code."""
    file = tmp_path / "model.safetensors"
    to_original(models[family], file, dtype="keep")
    kind = pipeline_class(family)
    read = kind.from_single_file(
        str(file), config=str(models[family]), local_files_only=True, safety_checker=None, torch_dtype=torch.float32
    )
    own = kind.from_pretrained(models[family], safety_checker=None)
    for part in ("unet", "vae", "text_encoder", "text_encoder_2"):
        if getattr(own, part, None) is not None:
            assert_same(getattr(own, part).state_dict(), getattr(read, part).state_dict())
    assert torch.allclose(image(own), image(read), atol=1e-5)


def test_our_folder_loads_and_draws_the_same(models, family, tmp_path):
    file, kind = tmp_path / "model.safetensors", pipeline_class(family)
    to_original(models[family], file, dtype="keep")
    from_original(file, tmp_path / "folder", tokenizer_dir=models[family] / "tokenizer")
    own, back = (kind.from_pretrained(path) for path in (models[family], tmp_path / "folder"))
    assert torch.allclose(image(own), image(back), atol=1e-5)


def test_detect_knows_files_and_folders(models, family, tmp_path):
    file = tmp_path / "model.safetensors"
    to_original(models[family], file)
    assert detect(file) == detect(models[family]) == family


def test_the_report_counts_what_is_there(models, family, tmp_path):
    file = tmp_path / "model.safetensors"
    report = to_original(models[family], file)
    with safe_open(file, "pt") as opened:
        assert report.tensors == len(opened.keys())
    assert report.bytes == file.stat().st_size
    assert all(path.is_file() for path in report.files)
    assert report.to_json()["schema"] == 1


def test_ckpt_and_safetensors_give_the_same_folder(models, family, tmp_path):
    file, pickled = tmp_path / "model.safetensors", tmp_path / "model.ckpt"
    to_original(models[family], file, dtype="keep")
    torch.save({"state_dict": load_file(file), "global_step": 1}, pickled)
    for source, out in ((file, "a"), (pickled, "b")):
        from_original(source, tmp_path / out, tokenizer_dir=models[family] / "tokenizer", config_dir=models[family])
    assert_same(tensors(tmp_path / "a"), tensors(tmp_path / "b"))


@pytest.mark.parametrize("dtype", ["keep", "float16", "bfloat16"])
def test_a_ckpt_holds_the_same_tensors_and_comes_back(models, family, tmp_path, dtype):
    file, pickled = tmp_path / "plain" / "model.safetensors", tmp_path / "pickled" / "model.ckpt"
    to_original(models[family], file, dtype=dtype)
    report = convert(models[family], pickled, dtype=dtype)
    content = torch.load(pickled, weights_only=True)
    assert content.keys() == {"state_dict"}
    assert_same(content["state_dict"], load_file(file))
    assert all(tensor.storage_offset() == 0 for tensor in content["state_dict"].values())
    assert {path.name for path in pickled.parent.iterdir()} == {path.name for path in report.files}
    assert file.with_suffix(".yaml").is_file() == pickled.with_suffix(".yaml").is_file() == (family == "sd2")
    tokens = models[family] / "tokenizer"
    from_original(pickled, tmp_path / "back", tokenizer_dir=tokens, config_dir=models[family])
    from_original(file, tmp_path / "other", tokenizer_dir=tokens, config_dir=models[family])
    assert_same(tensors(tmp_path / "back"), tensors(tmp_path / "other"))
    if dtype == "keep":
        assert_same(tensors(tmp_path / "back"), tensors(models[family]))


def test_a_ckpt_that_fails_leaves_what_was_there(models, tmp_path, monkeypatch):
    out = tmp_path / "model.ckpt"
    out.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainerError) as caught:
        convert(models["sd1"], out, overwrite=True)
    assert caught.value.problem.id == "convert-no-space"
    assert [path.name for path in tmp_path.iterdir()] == ["model.ckpt"]
    assert out.read_bytes() == b"old"


def test_a_lora_is_no_ckpt(models, tmp_path):
    save_file({"lora_unet_x.lora_down.weight": torch.ones(1, 1), "lora_unet_x.lora_up.weight": torch.ones(1, 1)},
              tmp_path / "lora.safetensors")  # fmt: skip
    with pytest.raises(TrainerError) as caught:
        convert(tmp_path / "lora.safetensors", tmp_path / "lora.ckpt")
    assert caught.value.problem.id == "convert-output-name"
    with pytest.raises(TrainerError) as caught:
        convert(models["sd1"], tmp_path / "model.bin")
    assert "model.safetensors" in caught.value.problem.hint


def test_averaged_weights_are_taken_on_wish(models, tmp_path):
    file, tokens = tmp_path / "model.safetensors", models["sd1"] / "tokenizer"
    to_original(models["sd1"], file, dtype="keep")
    content = load_file(file)
    prefix = "model.diffusion_model."
    averaged = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): tensor * 2
        for name, tensor in content.items()
        if name.startswith(prefix)
    }
    save_file({**content, **averaged, "model_ema.decay": torch.tensor(0.9999)}, file)
    plain = tensors(from_original(file, tmp_path / "plain", tokenizer_dir=tokens).output)
    ema = tensors(from_original(file, tmp_path / "ema", tokenizer_dir=tokens, use_ema=True).output)
    assert_same(plain, tensors(models["sd1"]))
    assert_same(ema, {n: t * 2 if n.startswith("unet/") else t for n, t in plain.items()})


@pytest.mark.parametrize("dtype", ["keep", "float16"])
def test_without_the_kernels_copy_the_bytes_are_the_same(models, family, tmp_path, monkeypatch, dtype):
    """Windows and macOS have no copy_file_range; copied and cast tensors then take turns on the same file."""
    mixed = tmp_path / "mixed.safetensors"
    to_original(models[family], mixed, dtype="keep")
    content = load_file(mixed)
    save_file(
        {n: t.half() if i % 3 and t.is_floating_point() else t for i, (n, t) in enumerate(content.items())}, mixed
    )
    with_kernel = from_original(mixed, tmp_path / "a", config_dir=models[family], dtype=dtype).output
    monkeypatch.delattr("os.copy_file_range")
    without = from_original(mixed, tmp_path / "b", config_dir=models[family], dtype=dtype).output
    assert_same(tensors(with_kernel), tensors(without))
    name = "model.diffusion_model.out.2.weight"
    expected = load_file(mixed)[name].to(torch.float16) if dtype == "float16" else load_file(mixed)[name]
    assert torch.equal(tensors(without)["unet/conv_out.weight"], expected)


def test_sources_are_read_by_one_thread(models, family, tmp_path, monkeypatch):
    """Casting is done by several; two that move one file's position would mix up tensors, and rarely at that."""
    import threading

    from dreamboot_trainer.convert.sources import SafetensorsFile

    read, threads = SafetensorsFile._read, set()

    def noted(self, offset, length):
        threads.add(threading.current_thread())
        return read(self, offset, length)

    monkeypatch.setattr(SafetensorsFile, "_read", noted)
    to_original(models[family], tmp_path / "a.safetensors", dtype="bfloat16")
    assert threads == {threading.main_thread()}


def test_readers_of_one_file_may_take_turns(models, monkeypatch):
    from dreamboot_trainer.convert import sources

    monkeypatch.setattr(sources, "CHUNK", 64)
    source = sources.open_source(models["sd1"] / "text_encoder" / "model.safetensors")
    names = [name for name, info in source.tensors.items() if info.nbytes == 4096][:2]
    alone = [list(source.chunks(name, 0, 4096)) for name in names]
    turns = list(zip(*(source.chunks(name, 0, 4096) for name in names), strict=True))
    assert len(turns) == 64
    assert [list(chunks) for chunks in zip(*turns, strict=True)] == alone
