"""Faults that other converters had: each of these files must come out right, or be read."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from dreamboot_trainer.convert import from_original, to_original
from dreamboot_trainer.problems import TrainerError
from support.tiny_families import assert_same, published, tensors

ATTENTION = "first_stage_model.encoder.mid.attn_1"


@pytest.fixture
def original(models, tmp_path):
    """Family -> the content of its checkpoint, and a writer of a changed copy."""

    def make(family):
        file = tmp_path / f"{family}.safetensors"
        to_original(models[family], file, dtype="keep")
        return load_file(file)

    return make


@pytest.fixture
def back(models, tmp_path):
    """Content of a checkpoint -> the tensors of the folder that it becomes."""

    def convert(family, content, **options):
        save_file(content, tmp_path / "changed.safetensors")
        out = tmp_path / "back"
        from_original(
            tmp_path / "changed.safetensors", out, tokenizer_dir=models[family] / "tokenizer", overwrite=True, **options
        )
        return tensors(out)

    return convert


def copy_of(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def rewrite(file, change):
    save_file(dict(change(name, tensor) for name, tensor in load_file(file).items()), file)


def test_attention_biases_stay_one_dimensional(original):
    """huggingface/diffusers 6226: biases reshaped to [512, 1, 1], and the web UI could not load the file."""
    content = original("sd1")
    for part in ("q", "k", "v", "proj_out"):
        assert content[f"{ATTENTION}.{part}.bias"].shape == (32,)
        assert content[f"{ATTENTION}.{part}.weight"].shape == (32, 32, 1, 1)
    assert content[f"{ATTENTION}.norm.weight"].shape == (32,)


def test_such_biases_are_read_and_put_right(models, original, back):
    content = original("sd1")
    for name in [name for name in content if ".attn_1." in name and name.endswith(".bias")]:
        content[name] = content[name].reshape(-1, 1, 1)
    assert_same(back("sd1", content), tensors(models["sd1"]))


@pytest.mark.parametrize("squeeze", [True, False])
def test_new_autoencoder_names_in_an_original_file(models, original, back, squeeze):
    """huggingface/diffusers 4790 and 8320: to_q and to_k where readers want q and k (or made to_to_k of them)."""
    renames = {"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0", "norm": "group_norm"}
    content = {}
    for name, tensor in original("sd1").items():
        head, mark, tail = name.partition(".mid.attn_1.")
        part, _, end = tail.rpartition(".")
        new = f"{head}{mark}{renames[part]}.{end}" if mark else name
        content[new] = tensor.flatten(1).contiguous() if mark and squeeze and tensor.dim() == 4 else tensor
    assert any(".to_q." in name for name in content)
    assert_same(back("sd1", content), tensors(models["sd1"]))


def test_old_autoencoder_names_in_a_folder(models, original, tmp_path):
    """The published SD 1.5 folder has query, key, value, proj_attn."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(name, tensor):
        for new, was in old.items():
            if f".attentions.0.{new}." in name:
                return name.replace(new, was), tensor
        return name, tensor

    folder = copy_of(models["sd1"], tmp_path)
    rewrite(folder / "vae" / "diffusion_pytorch_model.safetensors", rename)
    assert "encoder.mid_block.attentions.0.query.weight" in load_file(
        folder / "vae" / "diffusion_pytorch_model.safetensors"
    )
    to_original(folder, tmp_path / "old.safetensors", dtype="keep")
    assert_same(load_file(tmp_path / "old.safetensors"), original("sd1"))


def test_autoencoder_names_are_the_published_ones(original):
    expected = {name for name in published("sd15") if ".mid.attn_1." in name}
    assert {name for name in original("sd1") if ".mid.attn_1." in name} == expected


def test_text_encoder_prefix_on_disk_does_not_matter(models, original, tmp_path):
    """transformers 5 leaves out text_model.; the official script then writes names that no reader knows."""
    folder, expected = copy_of(models["sd1"], tmp_path), original("sd1")
    file = folder / "text_encoder" / "model.safetensors"
    for change in (
        lambda name, tensor: ("text_model." + name.removeprefix("text_model."), tensor),
        lambda name, tensor: (name.removeprefix("text_model."), tensor),
    ):
        rewrite(file, change)
        to_original(folder, tmp_path / "out.safetensors", dtype="keep")
        assert_same(load_file(tmp_path / "out.safetensors"), expected)
    prefix = "cond_stage_model.transformer.text_model."
    assert {n for n in expected if n.startswith("cond_stage_model.")} == {n for n in expected if n.startswith(prefix)}


def test_our_folder_has_the_prefix_of_the_published_folder(models, original, tmp_path, back):
    back("sd1", original("sd1"))
    names = load_file(tmp_path / "back" / "text_encoder" / "model.safetensors").keys()
    assert all(name.startswith("text_model.") for name in names)


def test_early_files_without_the_prefix_are_read(models, original, back):
    """As the web UI does: cond_stage_model.transformer.embeddings. and so on."""
    content = {name.replace("transformer.text_model.", "transformer."): t for name, t in original("sd1").items()}
    assert_same(back("sd1", content), tensors(models["sd1"]))


def test_position_ids_are_integers_in_every_wish(models, tmp_path):
    """Half-precision position ids (from merges) broke prompts in the web UI; ours are int64, as published."""
    name = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    for dtype in ("float16", "bfloat16", "float32", "keep"):
        to_original(models["sd1"], tmp_path / "a.safetensors", dtype=dtype)
        assert torch.equal(load_file(tmp_path / "a.safetensors")[name], torch.arange(16)[None])


def test_files_with_damaged_or_no_position_ids_and_schedule_are_read(models, original, back):
    content = original("sd1")
    bare = {name: tensor for name, tensor in content.items() if "." in name and "position_ids" not in name}
    assert_same(back("sd1", bare), tensors(models["sd1"]))
    bare["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(16).half()[None]
    assert_same(back("sd1", bare), tensors(models["sd1"]))


def test_sd2_text_encoder_names_survive_the_round_trip(original):
    """huggingface/diffusers 2769: SD 2.1 there and back changed the text encoder's names."""
    ends = {".".join(p for p in n.split(".") if not p.isdigit()) for n in original("sd2") if n.startswith("cond_stage")}
    assert ends == {
        ".".join(p for p in n.split(".") if not p.isdigit()) for n in published("sd21") if n.startswith("cond_stage")
    }


def test_sd2_query_key_and_value_are_joined_in_order(models, original):
    content, folder = original("sd2"), tensors(models["sd2"])
    for end in ("weight", "bias"):
        parts = [folder[f"text_encoder/encoder.layers.1.self_attn.{p}_proj.{end}"] for p in "qkv"]
        assert torch.equal(
            content[f"cond_stage_model.model.transformer.resblocks.1.attn.in_proj_{end}"], torch.cat(parts)
        )


@pytest.mark.parametrize("missing", ["text_projection", "logit_scale"])
def test_sd2_files_without_unused_tensors_are_read(models, original, back, missing):
    """huggingface/diffusers 1979: KeyError cond_stage_model.model.text_projection."""
    content = original("sd2")
    del content[f"cond_stage_model.model.{missing}"]
    assert_same({n: t for n, t in back("sd2", content).items() if "/" in n}, tensors(models["sd2"]))


def test_sd2_tensors_without_a_place_in_the_folder_come_back(original, back, tmp_path):
    """The last text block, text_projection and logit_scale are kept beside the folder, not made up again."""
    content = original("sd2")
    kept = [n for n in content if ".resblocks.3." in n or n.endswith(("text_projection", "logit_scale"))]
    assert len(kept) == 14
    for name in kept:
        content[name] = torch.randn(content[name].shape)
    back("sd2", content)
    report = to_original(tmp_path / "back", tmp_path / "again.safetensors", dtype="keep")
    assert_same(load_file(tmp_path / "again.safetensors"), content)
    assert not report.notes


def test_sd2_tensors_that_had_to_be_filled_in_are_named(models, tmp_path):
    report = to_original(models["sd2"], tmp_path / "a.safetensors")
    assert len(report.notes) == 3
    content = load_file(tmp_path / "a.safetensors")
    block = "cond_stage_model.model.transformer.resblocks"
    assert torch.equal(content[f"{block}.3.mlp.c_fc.weight"], content[f"{block}.2.mlp.c_fc.weight"])
    assert torch.equal(content["cond_stage_model.model.text_projection"], torch.eye(64, dtype=torch.float16))


def test_sd2_has_the_yaml_that_the_web_ui_needs(models, tmp_path):
    """AUTOMATIC1111 5011, 5070, 5116: without it a wrong guess, bad images, or a size mismatch."""
    report = to_original(models["sd2"], tmp_path / "model.safetensors")
    assert report.files == (tmp_path / "model.safetensors", tmp_path / "model.yaml")
    params = json.loads((tmp_path / "model.yaml").read_text())["model"]["params"]
    assert params["parameterization"] == "v"
    assert params["unet_config"]["params"]["context_dim"] == 64
    assert params["unet_config"]["params"]["use_linear_in_transformer"] is True
    assert params["cond_stage_config"]["target"].endswith("FrozenOpenCLIPEmbedder")


def test_published_sd2_yaml_values(tmp_path):
    """The values that Stability-AI/stablediffusion's v2-inference-v.yaml has for the published model."""
    from dreamboot_trainer.convert import infer, webui

    configs = infer.published("sd2")
    params = json.loads(webui.config_text("sd2", configs, configs["scheduler"]))["model"]["params"]
    unet = params["unet_config"]["params"]
    assert unet["attention_resolutions"] == [4, 2, 1]
    assert unet["channel_mult"] == [1, 2, 4, 4]
    assert (unet["num_head_channels"], unet["num_res_blocks"], unet["model_channels"]) == (64, 2, 320)
    assert (params["linear_start"], params["linear_end"], params["scale_factor"]) == (0.00085, 0.012, 0.18215)
    assert params["first_stage_config"]["params"]["ddconfig"]["ch_mult"] == [1, 2, 4, 4]


@pytest.mark.parametrize(("yaml", "prediction"), [("v", "v_prediction"), ("eps", "epsilon")])
def test_the_yaml_beside_a_file_decides_what_it_predicts(original, back, tmp_path, yaml, prediction):
    (tmp_path / "changed.yaml").write_text(f'model:\n  params:\n    parameterization: "{yaml}"\n')
    back("sd2", original("sd2"))
    scheduler = json.loads((tmp_path / "back" / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == prediction


@pytest.mark.parametrize(("spread", "prediction"), [(0.2, "v_prediction"), (0.01, "epsilon")])
def test_without_a_yaml_the_bias_decides_and_the_report_says_so(original, tmp_path, models, spread, prediction):
    content = original("sd2")
    name = "model.diffusion_model.output_blocks.7.1.transformer_blocks.0.norm1.bias"
    content[name] = torch.linspace(-1, 1, len(content[name])) * spread * 1.6
    save_file(content, tmp_path / "m.safetensors")
    report = from_original(tmp_path / "m.safetensors", tmp_path / "m", tokenizer_dir=models["sd2"] / "tokenizer")
    assert (
        json.loads((tmp_path / "m" / "scheduler" / "scheduler_config.json").read_text())["prediction_type"]
        == prediction
    )
    assert any(prediction in note for note in report.notes)


def test_sdxl_is_never_taken_for_another_family(original, tmp_path, models):
    """huggingface/diffusers 5737: an SDXL file opened with the SD class failed deep inside."""
    save_file(original("sdxl"), tmp_path / "xl.safetensors")
    with pytest.raises(TrainerError) as caught:
        from_original(tmp_path / "xl.safetensors", tmp_path / "out", family="sd1")
    assert caught.value.problem.id == "convert-wrong-family"
    assert "--family sdxl" in caught.value.problem.hint
    from_original(tmp_path / "xl.safetensors", tmp_path / "out", tokenizer_dir=models["sdxl"] / "tokenizer")
    assert json.loads((tmp_path / "out" / "model_index.json").read_text())["_class_name"] == "StableDiffusionXLPipeline"


def test_sdxl_text_projection_is_transposed(models, original):
    projection = tensors(models["sdxl"])["text_encoder_2/text_projection.weight"]
    assert torch.equal(original("sdxl")["conditioner.embedders.1.model.text_projection"], projection.T)


def test_sdxl_v_prediction_is_marked_in_both_directions(models, original, back, tmp_path):
    folder = copy_of(models["sdxl"], tmp_path)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "prediction_type": "v_prediction"}))
    to_original(folder, tmp_path / "v.safetensors", dtype="keep")
    content = load_file(tmp_path / "v.safetensors")
    assert content["v_pred"].numel() == 0
    assert "v_pred" not in original("sdxl")
    back("sdxl", content)
    scheduler = json.loads((tmp_path / "back" / "scheduler" / "scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction"


@pytest.mark.parametrize(
    ("channels", "pipeline"), [(9, "StableDiffusionInpaintPipeline"), (8, "StableDiffusionInstructPix2PixPipeline")]
)
def test_models_with_more_input_channels_get_their_pipeline(original, back, tmp_path, channels, pipeline):
    content = original("sd1")
    name = "model.diffusion_model.input_blocks.0.0.weight"
    content[name] = torch.randn(32, channels, 3, 3)
    back("sd1", content)
    assert json.loads((tmp_path / "back" / "model_index.json").read_text())["_class_name"] == pipeline


def test_a_sharded_folder_and_an_fp16_variant_are_read(models, original, tmp_path):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(models["sd1"])
    pipeline.save_pretrained(tmp_path / "sharded", max_shard_size="500KB")
    assert (tmp_path / "sharded" / "unet" / "diffusion_pytorch_model.safetensors.index.json").is_file()
    to_original(tmp_path / "sharded", tmp_path / "a.safetensors", dtype="keep")
    assert_same(load_file(tmp_path / "a.safetensors"), original("sd1"))
    pipeline.to(torch.float16).save_pretrained(tmp_path / "half", variant="fp16")
    to_original(tmp_path / "half", tmp_path / "b.safetensors", dtype="keep")
    to_original(models["sd1"], tmp_path / "c.safetensors", dtype="float16")
    assert_same(load_file(tmp_path / "b.safetensors"), load_file(tmp_path / "c.safetensors"))


def test_a_folder_with_bin_files_is_read(models, original, tmp_path):
    folder = copy_of(models["sd1"], tmp_path)
    for file in folder.glob("*/*.safetensors"):
        name = "pytorch_model" if file.stem == "model" else file.stem
        torch.save(load_file(file), file.with_name(f"{name}.bin"))
        file.unlink()
    to_original(folder, tmp_path / "out.safetensors", dtype="keep")
    assert_same(load_file(tmp_path / "out.safetensors"), original("sd1"))


@pytest.mark.parametrize(
    ("family", "padding"),
    [("sd1", ["<|endoftext|>"]), ("sd2", ["!"]), ("sdxl", ["<|endoftext|>", "!"])],
)
def test_one_tokenizer_serves_every_family_with_its_padding(models, original, tmp_path, family, padding):
    """OpenCLIP pads with token 0. The wrong padding changes every prompt that is shorter than 77 tokens."""
    from transformers import CLIPTokenizer

    save_file(original(family), tmp_path / "m.safetensors")
    from_original(tmp_path / "m.safetensors", tmp_path / "out", tokenizer_dir=models["sd1"] / "tokenizer")
    folders = sorted((tmp_path / "out").glob("tokenizer*"))
    assert [CLIPTokenizer.from_pretrained(folder).pad_token for folder in folders] == padding
