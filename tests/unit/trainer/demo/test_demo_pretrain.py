"""The scripts that make the demo model: they learn, go on where they stopped, and write a folder that loads."""

from __future__ import annotations

import gzip

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("transformers")
np = pytest.importorskip("numpy")

from dreamboot_trainer import demo  # noqa: E402
from dreamboot_trainer.demo.pretrain import data, export, text, text_to_image, tokenizer, vae  # noqa: E402


def merge_list(folder):
    """A merge list of the real one's length, made from the shipped merges.txt and as many unused lines."""
    shipped = (demo.MODEL_DIR / "tokenizer" / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    file = folder / "merges.txt.gz"
    file.write_bytes(gzip.compress("\n".join(["# version", *shipped, *["x y"] * 9]).encode()))
    return file


def test_the_tokenizer_is_clips(tmp_path):
    from transformers import CLIPTokenizer

    tokenizer.write(merge_list(tmp_path), tmp_path / "words")
    words = CLIPTokenizer.from_pretrained(tmp_path / "words")
    # Ids of openai/clip-vit-large-patch14.
    assert words("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert words("sks").input_ids == [49406, 48136, 49407]
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / "words" / name).read_bytes() == (demo.MODEL_DIR / "tokenizer" / name).read_bytes()


def test_the_autoencoder_learns():
    torch.manual_seed(0)
    model = vae.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    pictures = torch.linspace(-1, 1, 2)[:, None, None, None].expand(2, 3, 32, 32).contiguous()
    losses = []
    for _ in range(12):
        loss, _ = vae.loss_of(model, pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_an_encoder_can_learn_given_latents():
    torch.manual_seed(0)
    model = vae.build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    pictures, latents = torch.rand(2, 3, 32, 32) * 2 - 1, torch.randn(2, 4, 4, 4)

    def apart():
        with torch.inference_mode():
            return (model.encode(pictures).latent_dist.mean - latents).square().mean().item()

    before = apart()
    for _ in range(25):
        loss, _ = vae.loss_of(model, pictures, latents)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert apart() < 0.7 * before


def test_the_text_encoder_learns_to_tell_things_apart(tmp_path):
    from transformers import CLIPTokenizer

    words = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    torch.manual_seed(0)
    text.train(text_to_image.build_text_encoder(), words, tmp_path, minutes=2, steps=80)
    losses = [float(row.split(",")[1]) for row in (tmp_path / "text_encoder.csv").read_text().split()]
    assert losses[-1] < losses[0]
    text_to_image.build_text_encoder().load_state_dict(torch.load(tmp_path / "text_encoder.pt", weights_only=True))


def test_captions_may_mean_one_thing_all_of_a_class_or_anything():
    owl = data.Thing("owl", "an owl", ("an animal",), True)
    members = {"an animal": [3, 7], "a face": [1]}
    assert text.labels(owl, "a photo of an owl", members, 7) == [7]
    assert text.labels(owl, "a picture of an animal", members, 7) == [3, 7]
    assert text.labels(owl, "", members, 7) == []


def test_fast_attention_is_attention():
    torch.manual_seed(0)
    unet = text_to_image.build_unet().eval()
    latents, words = torch.randn(2, 4, 16, 16), torch.randn(2, 77, text_to_image.TEXT_WIDTH)
    with torch.inference_mode():
        plain = unet(latents, 500, words).sample
        unet.set_attn_processor(text_to_image.FastAttention())
        fast = unet(latents, 500, words).sample
    assert (plain - fast).abs().max() < 1e-4


def test_training_goes_on_where_it_stopped(tmp_path):
    from transformers import CLIPTokenizer

    words = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    states = text_to_image.States(text_to_image.build_text_encoder(), words)
    latents = torch.randn(len(data.things()), 1, 4, 16, 16)
    settings = {"captions": 1, "noises": 1}
    text_to_image.train(latents, states, tmp_path, text_to_image.Settings(steps=2, **settings))
    first = torch.load(tmp_path / "text_to_image.pt", weights_only=True)
    text_to_image.train(latents, states, tmp_path, text_to_image.Settings(steps=4, **settings))
    second = torch.load(tmp_path / "text_to_image.pt", weights_only=True)
    assert (first["step"], second["step"]) == (2, 4)
    assert second["seconds"] > first["seconds"]
    assert any((first["average"][name] != second["average"][name]).any() for name in first["average"])


def test_a_prompts_states_are_those_of_the_text_encoder():
    from transformers import CLIPTokenizer

    words = CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer")
    encoder = text_to_image.build_text_encoder()
    found = text_to_image.States(encoder, words)("a photo of an owl")
    ids = words("a photo of an owl", padding="max_length", max_length=77, return_tensors="pt").input_ids
    assert found.shape == (77, text_to_image.TEXT_WIDTH)
    assert (found.float() - encoder(ids).last_hidden_state[0]).abs().max() < 0.02


def test_the_shipped_model_can_be_trained_on(tmp_path):
    from safetensors.torch import load_file

    export.read(demo.MODEL_DIR, tmp_path)
    vae.build().load_state_dict(torch.load(tmp_path / "vae.pt", weights_only=True))
    encoder = text_to_image.build_text_encoder()
    encoder.load_state_dict(torch.load(tmp_path / "text_encoder.pt", weights_only=True))
    from transformers import CLIPTokenizer

    states = text_to_image.States(encoder, CLIPTokenizer.from_pretrained(demo.MODEL_DIR / "tokenizer"))
    shipped = load_file(demo.MODEL_DIR / "unet" / "diffusion_pytorch_model.safetensors")
    begun = torch.load(tmp_path / "text_to_image.pt", weights_only=True)["average"]
    assert all(torch.equal(begun[name].half(), shipped[name]) for name in shipped)
    latents = torch.randn(len(data.things()), 1, 4, 16, 16)
    settings = text_to_image.Settings(steps=1, captions=1, noises=1)
    text_to_image.train(latents, states, tmp_path, settings)
    assert torch.load(tmp_path / "text_to_image.pt", weights_only=True)["step"] == 1


def test_the_exported_folder_loads_with_the_same_weights(tmp_path):
    from diffusers import StableDiffusionPipeline

    parts = export.Parts(vae.build(), 0.5, text_to_image.build_unet(), text_to_image.build_text_encoder())
    export.write(tmp_path / "model", parts, merge_list(tmp_path))
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    assert loaded.vae.config.scaling_factor == 0.5
    for name in ("unet", "vae", "text_encoder"):
        made, read = getattr(parts, name).state_dict(), getattr(loaded, name).state_dict()
        assert made.keys() == read.keys()
        assert all(torch.equal(made[key].half().float(), read[key].float()) for key in made)
