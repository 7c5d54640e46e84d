"""The one schema of a training run: what flags, config.toml, forms and documentation are made from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 1
"""Version of config.toml's layout."""

DEMO = "demo"
"""The word that names the built-in model, or the built-in photos, where a path is expected."""


OPTIMIZERS = (
    "adamw", "adamw8bit", "paged_adamw", "paged_adamw8bit", "ademamix8bit", "lion", "lion8bit", "paged_lion8bit",
    "adafactor", "prodigy", "sgd",
)  # fmt: skip
"""Names that optim.py knows; kept here because the schema must not import torch."""

ATTENTIONS = ("auto", "sdpa", "naive", "memory_efficient", "xformers")
"""`memory_efficient` is our own, in plain torch: for a device or a torch without fused attention."""


def option(
    default: Any, text: str, *, choices: tuple[str, ...] = (),
    at_least: float | None = None, above: float | None = None, at_most: float | None = None,
    below: float | None = None,
) -> Any:  # fmt: skip
    """One field: its default, its one-sentence help, and what it may hold.

    `at_most` is for slips of the keyboard: far above what anybody trains with, and below what hangs or overflows.
    """
    bounds = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    return field(default=default, metadata={"help": text, "choices": choices, **bounds})


@dataclass(frozen=True, kw_only=True, slots=True)
class Concept:
    """One subject to teach. The four names are those of the widespread `concepts_list.json`."""

    instance_prompt: str = option(
        "", "Prompt with the rare token that will name the subject, such as 'a photo of sks dog'."
    )
    class_prompt: str = option("", "Prompt of the subject's class without the token, such as 'a photo of a dog'.")
    instance_data_dir: str = option("", "Folder with the photos of the subject.")
    class_data_dir: str = option("", "Folder for class images; empty means a folder in the run.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """What is fine-tuned."""

    pretrained_model_name_or_path: str = option(
        DEMO, "Diffusers folder, a .safetensors or .ckpt file, a model's name on the hub, or 'demo'."
    )
    revision: str = option("", "Branch, tag or commit of a model that is named as on the hub; empty means main.")
    local_files_only: bool = option(default=False, text="Never download: take a hub's model from the local cache only.")
    pretrained_vae_name_or_path: str = option("", "Folder of another VAE to use in place of the model's own.")
    tokenizer_name: str = option("", "Folder of a tokenizer, for a checkpoint file that comes without one.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """What it learns from."""

    instance_prompt: str = option(
        "", "Prompt with the rare token that will name the subject, such as 'a photo of sks dog'."
    )
    class_prompt: str = option("", "Prompt of the subject's class without the token, such as 'a photo of a dog'.")
    instance_data_dir: str = option("", "Folder with the photos of the subject, or 'demo'.")
    class_data_dir: str = option("", "Folder for class images; empty means a folder in the run.")
    concepts_list: str = option("", "JSON file with several concepts; replaces the four fields above.")
    concepts: tuple[Concept, ...] = option(
        (), "Several concepts, as [[data.concepts]] tables; replaces the four fields."
    )
    resolution: int = option(
        512, "Side in pixels that photos are resized and cropped to; a multiple of 8.", at_least=8, at_most=8192
    )
    captions: bool = option(
        default=False,
        text="Take each photo's prompt from a .txt, .json or metadata.jsonl beside it, where there is one.",
    )
    center_crop: bool = option(
        default=True, text="Crop from the middle; false crops at random and needs cache_latents = false."
    )
    aspect_ratio_buckets: bool = option(
        default=False, text="Keep the photos' shapes: batches of like shape in place of square crops."
    )
    hflip: bool = option(
        default=False, text="Show half of the photos mirrored; not for subjects with text or a parting."
    )
    cache_latents: bool = option(default=True, text="Encode every photo once and keep the result in memory.")
    dataloader_num_workers: int = option(
        0, "Threads that read and cut photos ahead of the step, where cache_latents = false.", at_least=0, at_most=256
    )
    pad_tokens: bool = option(
        default=True, text="Pad prompts to the text encoder's full length, as sampling does; false: to the longest."
    )
    token_initializers: tuple[str, ...] = option(
        (), "Words that the rare tokens start from, one per concept or one for all, such as ['dog'] for 'sks dog'."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prior:
    """Prior preservation: the class keeps its look while the subject is learnt."""

    with_prior_preservation: bool = option(
        default=True, text="Train on class images too, so that the class is not forgotten."
    )
    prior_loss_weight: float = option(1.0, "Weight of the loss on class images.", at_least=0)
    num_class_images: int = option(
        100, "Class images per concept; missing ones are generated by the model.", at_least=1, at_most=1_000_000
    )
    sample_batch_size: int = option(4, "Images generated at once.", at_least=1, at_most=1024)
    class_image_prompt: str = option(
        "", "Prompt that class images are made with, such as 'a high resolution photo of a dog'; empty: class_prompt."
    )
    class_guidance_scale: float = option(7.5, "Guidance for generating class images.", at_least=1)
    class_inference_steps: int = option(30, "Denoising steps for generating class images.", at_least=1, at_most=1000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How long, how much at once, in which precision."""

    seed: int = option(
        0,
        "Seed of everything that is drawn at random: the same seed gives the same run.",
        at_least=0,
        at_most=2**63 - 1,
    )
    max_train_steps: int = option(
        800, "Optimizer steps. About 100 to 200 per photo at batch size 1.", at_least=1, at_most=100_000_000
    )
    num_train_epochs: int = option(
        0,
        "Passes over all photos, in place of max_train_steps; 0 means that the steps count.",
        at_least=0,
        at_most=1_000_000,
    )
    train_batch_size: int = option(
        1, "Photos per step and process; class images come on top.", at_least=1, at_most=4096
    )
    gradient_accumulation_steps: int = option(
        1, "Batches per optimizer step: a larger batch in the same memory.", at_least=1, at_most=65536
    )
    gradient_checkpointing: bool = option(
        default=False, text="Compute activations twice to hold fewer of them: less memory, slower."
    )
    method: str = option("full", "Train all weights of the network, or a small adapter.", choices=("full", "lora"))
    train_text_encoder: bool = option(default=False, text="Train the text encoder too: closer likeness, more memory.")
    text_encoder_steps: int = option(0, "Steps after which the text encoder stays as it is; 0 means never.", at_least=0)
    snr_gamma: float = option(0.0, "Min-SNR weighting of noise levels (5 is usual); 0 switches it off.", at_least=0)
    timestep_sampling: str = option(
        "auto",
        "How noise levels are drawn for models trained by flow matching; auto: logit_normal for SD3, uniform for FLUX.",
        choices=("auto", "uniform", "logit_normal"),
    )
    timestep_shift: float = option(
        0.0, "Flow matching: how far noise levels are moved up (1 is not at all); 0 takes the model's own.", at_least=0
    )
    told_guidance: float = option(
        1.0, "Guidance told to a network that takes it as an input (FLUX.1-dev) while it is trained.", at_least=0
    )
    noise_offset: float = option(
        0.0, "Noise that is equal over the picture (0.05 to 0.1); 0 switches it off.", at_least=0
    )
    use_ema: bool = option(default=False, text="Save a running average of the weights in place of the last ones.")
    ema_decay: float = option(0.999, "How slowly the average follows the weights.", at_least=0, below=1)
    mixed_precision: str = option("auto", "Number format of the arithmetic.", choices=("auto", "no", "fp16", "bf16"))
    attention: str = option("auto", "Implementation of attention.", choices=ATTENTIONS)
    compile: str = option(
        "no",
        "Compile the network by torch.compile with this backend: minutes at the start, then faster steps on a GPU.",
        choices=("no", "inductor", "cudagraphs", "aot_eager", "eager"),
    )
    max_grad_norm: float = option(1.0, "Gradients are scaled down to this norm; 0 switches clipping off.", at_least=0)
    num_processes: int = option(0, "Processes that must take part; 0 accepts any number.", at_least=0)
    sharding: str = option(
        "none",
        "With several processes: full divides weights, gradients and optimizer state among them (FSDP).",
        choices=("none", "full"),
    )
    device: str = option("auto", "Where to train.", choices=("auto", "cpu", "cuda", "xpu", "mps"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimizer:
    """The optimizer and its learning rate."""

    optimizer: str = option("adamw", "Optimizer by name; adamw8bit needs a quarter of the memory.", choices=OPTIMIZERS)
    optimizer_implementation: str = option(
        "auto",
        "How adamw and sgd go over the weights; auto is fused where the device has it.",
        choices=("auto", "fused", "foreach", "loop"),
    )
    learning_rate: float = option(
        0.0,
        "Learning rate after warm-up; 0 means by method: 5e-6 for all weights, 1e-4 for an adapter, 1 for Prodigy.",
        at_least=0,
    )
    text_encoder_learning_rate: float = option(0.0, "Learning rate of the text encoder; 0 means the same.", at_least=0)
    lr_scheduler: str = option(
        "constant",
        "Course of the learning rate.",
        choices=("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"),
    )
    lr_warmup_steps: int = option(0, "Steps over which the learning rate rises from 0.", at_least=0)
    lr_num_cycles: int = option(1, "Restarts of cosine_with_restarts.", at_least=1)
    lr_power: float = option(1.0, "Power of the polynomial scheduler.", above=0)
    scale_lr: bool = option(default=False, text="Multiply the learning rate by batch size, accumulation and processes.")
    adam_beta1: float = option(0.9, "Decay of the first moment.", at_least=0, below=1)
    adam_beta2: float = option(0.999, "Decay of the second moment.", at_least=0, below=1)
    adam_weight_decay: float = option(1e-2, "Weight decay.", at_least=0)
    adam_epsilon: float = option(1e-8, "Added to the denominator.", above=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """The adapter, where method = "lora" (Hu et al. 2021)."""

    lora_rank: int = option(16, "Rank of the adapter's matrices: more can learn more.", at_least=1, at_most=4096)
    lora_alpha: float = option(0.0, "Strength of the adapter is lora_alpha / lora_rank; 0 means lora_rank.", at_least=0)
    lora_dropout: float = option(0.0, "Share of the adapter's inputs that are left out at random.", at_least=0, below=1)
    base_precision: str = option(
        "auto",
        "How the model's own weights are held: auto is mixed_precision's format, nf4 is 4 bits by bitsandbytes.",
        choices=("auto", "nf4"),
    )
    use_dora: bool = option(default=False, text="Train direction and size of the weights apart (Liu et al. 2024).")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Pictures made during training, always from the same seeds."""

    validation_prompts: tuple[str, ...] = option(
        (), "Prompts of the sample grids; empty means instance and class prompt."
    )
    negative_prompt: str = option("", "What samples should not show.")
    num_validation_images: int = option(4, "Pictures per prompt; 0 makes no samples.", at_least=0, at_most=1000)
    validation_steps: int = option(100, "Steps between sample grids; 0 means only before and after.", at_least=0)
    guidance_scale: float = option(7.5, "How strongly samples follow the prompt; 1 switches guidance off.", at_least=1)
    num_inference_steps: int = option(30, "Denoising steps per sample.", at_least=1, at_most=1000)
    validation_seed: int = option(
        1000, "Seed of the first sample; the next ones count up.", at_least=0, at_most=2**63 - 1
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Complete training states, to go on from."""

    checkpointing_steps: int = option(
        500, "Steps between checkpoints; one is always made at the end and on Ctrl-C.", at_least=1
    )
    checkpoints_total_limit: int = option(1, "Newest checkpoints to keep; 0 keeps all.", at_least=0)
    resume: str = option(
        "auto", "Go on from the newest checkpoint of the run, or start over.", choices=("auto", "never")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """What is left behind."""

    output_dir: str = option("", "The run folder; empty means the folder of config.toml.")
    save_precision: str = option("fp16", "Number format of the saved model.", choices=("fp16", "bf16", "fp32"))
    save_interval: int = option(
        0, "Steps between saved models in saves/, with samples, for choosing the best; 0 saves the last.", at_least=0
    )
    save_min_steps: int = option(0, "No model is saved in saves/ before this many steps.", at_least=0)
    push_to_hub: bool = option(
        default=False, text="Upload the result to the hub; the login is HF_TOKEN or that of `hf auth login`."
    )
    hub_model_id: str = option("", "Name of the result on the hub, such as 'me/my-dog'.")
    hub_private: bool = option(default=True, text="Whether a repository that is made on the hub is private.")
    report_to: str = option(
        "none", "Where else to send the numbers of each step.", choices=("none", "tensorboard", "wandb")
    )
    save_original: bool = option(
        default=True, text="Also write model.safetensors in the original layout for other programs."
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A whole run. Every key's name is unique over the sections, so a flag needs no section name."""

    model: Model = field(default_factory=Model)
    data: Data = field(default_factory=Data)
    prior: Prior = field(default_factory=Prior)
    training: Training = field(default_factory=Training)
    optimizer: Optimizer = field(default_factory=Optimizer)
    lora: Lora = field(default_factory=Lora)
    sampling: Sampling = field(default_factory=Sampling)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    output: Output = field(default_factory=Output)


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key of the schema, for parsers, forms and documentation."""

    section: str
    name: str
    type: str
    default: Any
    help: str
    choices: tuple[str, ...]
    at_least: float | None
    above: float | None
    at_most: float | None
    below: float | None

    @property
    def dotted(self) -> str:
        """`section.name`."""
        return f"{self.section}.{self.name}"


SECTIONS: dict[str, type[Any]] = {
    "model": Model,
    "data": Data,
    "prior": Prior,
    "training": Training,
    "optimizer": Optimizer,
    "lora": Lora,
    "sampling": Sampling,
    "checkpoint": Checkpoint,
    "output": Output,
}


def keys() -> tuple[Key, ...]:
    """Every key of every section, in the order of the file. Types are spelled as in this module."""
    return tuple(key for section, cls in SECTIONS.items() for key in keys_of(section, cls))


def keys_of(section: str, cls: type[Any]) -> tuple[Key, ...]:
    """The keys of one section (or of `Concept`)."""
    return tuple(
        Key(section=section, name=item.name, type=str(item.type), default=item.default, **item.metadata)
        for item in dataclasses.fields(cls)
    )
