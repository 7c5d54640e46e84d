"""One training step on tensors without contents, recorded: weights, forward, backward, optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from dreamboot_trainer.families import families
from dreamboot_trainer.families.sd1.text import HIDDEN
from dreamboot_trainer.families.sdxl.text import POOLED
from dreamboot_trainer.methods.lora import TEXT_TARGETS
from dreamboot_trainer.predict import networks
from dreamboot_trainer.predict.request import OPTIMIZER_BYTES, SMALL_TENSOR, Request
from dreamboot_trainer.predict.trace import Recorder, Trace

Settings = Mapping[str, Any]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "no": torch.float32}
TOKENS = 77
WORDS: Mapping[str, int] = {"sd3": TOKENS + 256, "flux": 512}
"""Words that the transformers see: CLIP's and T5's, or T5's alone (families/sd3/text.py, families/flux/text.py)."""
STEPS = 2
"""The optimizer's states exist from the first step's end on, so that the second step is the one that counts."""


def record(request: Request, configs: Mapping[str, Settings]) -> Trace:
    """The allocations of `STEPS` optimizer steps. `configs`: the published ones of the family, by folder."""
    with as_on_cuda(Recorder()) as recorder:
        step = Step(request, configs, recorder)
        for _ in range(STEPS):
            step.run()
        trace: Trace = recorder.trace
        return trace


@contextmanager
def as_on_cuda(recorder: Recorder) -> Iterator[Recorder]:
    """Inside, tensors have no contents, are told of to `recorder`, and are computed in CUDA's formats."""
    with ExitStack() as within:
        within.enter_context(FakeTensorMode())
        within.enter_context(recorder)
        within.enter_context(_swapping_weights())
        within.enter_context(_cuda_autocast())
        yield recorder


class Step:
    """The modules of a run, and one optimizer step of it. To be made and used within `as_on_cuda`."""

    def __init__(self, request: Request, configs: Mapping[str, Settings], recorder: Recorder) -> None:
        self.request, self.configs, self.recorder = request, configs, recorder
        self.family = next(family for family in families() if family.name == request.family)
        frozen = torch.float32 if request.mixed_precision == "no" else DTYPES[request.mixed_precision]
        lora = request.method == "lora"
        with recorder.labelled("weights"):
            held = frozen if lora else torch.float32
            self.network = networks.denoiser(configs, self.family.denoiser, held, request.base)
            self.encoder = (
                networks.text_encoder(configs["text_encoder"], torch.float32) if request.text_encoder else None
            )
            if not request.cached:
                self.vae = networks.vae(configs["vae"], frozen)
            if lora:
                networks.adapt(self.network, request.rank, request.targets or self.family.lora_targets)
            if lora and self.encoder is not None and self.family.flow:
                networks.adapt(self.encoder, request.rank, TEXT_TARGETS)
        self.network.train()
        if request.checkpointing:
            self.network.enable_gradient_checkpointing()
        if request.attention == "naive":
            from diffusers.models.attention_processor import AttnProcessor

            self.network.set_attn_processor(AttnProcessor())
        if self.encoder is not None:
            self.encoder.train()
            if request.checkpointing:
                self.encoder.gradient_checkpointing_enable()
        modules = [module for module in (self.network, self.encoder) if module is not None]
        self.trained = [weight for module in modules for weight in module.parameters() if weight.requires_grad]
        self.states: list[Any] = []
        if request.ema:
            with recorder.labelled("average of the weights"):
                self.average = [torch.empty_like(weight) for weight in self.trained]
        for weight in self.trained:
            weight.register_post_accumulate_grad_hook(self._label)

    def _label(self, weight: Any) -> None:
        self.recorder.label(weight.grad, "gradients")

    def run(self) -> None:
        """Forward and backward for each accumulated batch, then the optimizer."""
        for _ in range(self.request.accumulation):
            self.loss().backward()
        if not self.states:
            with self.recorder.labelled("optimizer states"):
                self.states = [_state(weight, self.request.optimizer) for weight in self.trained]
        for weight in self.trained:
            weight.grad = None

    def loss(self) -> Any:
        """The loss of one batch: instance and class images together, where there are class images."""
        request, config = self.request, self.configs[self.family.denoiser]
        side = request.resolution // 8
        channels = config["in_channels"] // self.family.packing
        noisy = torch.randn(request.samples, channels, side, side)
        # A network may answer in more channels than it is given (a variance), or in fewer (inpainting).
        outside = channels if self.family.flow else config["out_channels"]
        target = torch.randn(request.samples, outside, side, side)
        enabled = request.mixed_precision != "no"
        with torch.autocast("cpu", DTYPES[request.mixed_precision] if enabled else torch.bfloat16, enabled=enabled):
            guess = self._flow(noisy) if self.family.flow else self._unet(noisy)
        return functional.mse_loss(guess.float(), target)

    def _unet(self, noisy: Any) -> Any:
        config, samples = self.configs["unet"], self.request.samples
        width = config["cross_attention_dim"]
        words = torch.randn(samples, TOKENS, width)
        if self.encoder is not None:
            states = self._states()
            # Where two encoders make the words (SDXL), one's width is less than the UNet asks for.
            words = states if states.shape[-1] == width else words
        times = torch.zeros(samples, dtype=torch.int64)
        return self.network(noisy, times, words, added_cond_kwargs=_extra(config, samples)).sample

    def _flow(self, noisy: Any) -> Any:
        """The transformers of SD 3 and FLUX.1: called as in training."""
        config, samples = self.configs[self.family.denoiser], self.request.samples
        wide, pooled = config["joint_attention_dim"], torch.randn(samples, config["pooled_projection_dim"])
        words = torch.randn(samples, self.request.words or WORDS[self.request.family], wide)
        if self.encoder is not None:
            narrow = self._states()
            pooled = torch.cat((narrow[:, 0], pooled[:, narrow.shape[-1] :]), dim=-1)
        text = {HIDDEN: words, POOLED: pooled}
        sizes = torch.zeros(samples, 6)
        return self.family.denoise.predict(self.network, noisy, torch.rand(samples), text, sizes)

    def _states(self) -> Any:
        encoder: Any = self.encoder
        return encoder(torch.zeros(self.request.samples, TOKENS, dtype=torch.int64)).last_hidden_state


def _extra(unet: Settings, samples: int) -> dict[str, Any] | None:
    """SDXL's second input: pooled words and six numbers of size and crop."""
    if unet.get("addition_embed_type") != "text_time":
        return None
    pooled = unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"]
    return {"text_embeds": torch.randn(samples, pooled), "time_ids": torch.randn(samples, 6)}


def _state(weight: Any, optimizer: str) -> Any:
    per_weight = OPTIMIZER_BYTES[optimizer]
    if optimizer == "adafactor" and weight.dim() > 1:
        return torch.empty(weight.shape[0] + weight.numel() // weight.shape[0])
    if "8bit" in optimizer and per_weight and weight.numel() < SMALL_TENSOR:
        per_weight = 4.0 * round(per_weight)
    return torch.empty(round(weight.numel() * per_weight), dtype=torch.uint8)


@contextmanager
def _cuda_autocast() -> Iterator[None]:
    """CUDA's autocast computes norms and softmax in fp32, the CPU's does not.

    Source: "CUDA Ops that can autocast to float32" in torch's documentation of amp. A TorchFunctionMode would be off
    while a checkpointed block is computed again.
    """
    names = ("group_norm", "layer_norm", "softmax")
    before = {name: getattr(functional, name) for name in names}

    def in_fp32(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            if not torch.is_autocast_enabled("cpu"):
                return call(tensor, *args, **kwargs)
            with torch.autocast("cpu", enabled=False):
                args = tuple(arg.float() if isinstance(arg, torch.Tensor) else arg for arg in args)
                return call(tensor.float(), *args, **kwargs)

        return run

    for name, call in before.items():
        setattr(functional, name, in_fp32(call))
    try:
        yield
    finally:
        for name, call in before.items():
            setattr(functional, name, call)


@contextmanager
def _swapping_weights() -> Iterator[None]:
    """`Module._apply` can't swap fake weights in place; while predicting it puts new ones."""
    before = nn.Module._apply

    def apply(self: Any, change: Callable[[Any], Any], recurse: bool = True) -> Any:
        for child in self.children() if recurse else ():
            child._apply(change)
        for name, weight in list(self._parameters.items()):
            if weight is not None:
                self._parameters[name] = nn.Parameter(change(weight.data), requires_grad=weight.requires_grad)
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                self._buffers[name] = change(buffer)
        return self

    nn.Module._apply = apply  # type: ignore[method-assign]
    try:
        yield
    finally:
        nn.Module._apply = before  # type: ignore[method-assign]
