"""Number formats: mixed dtypes, NaN, and GPUs that can't do what is asked."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

SYMPTOMS = (
    Symptom(
        id="dt-no-gpu-code",
        area="precision",
        weight=78,
        signs=(
            "_cuda\" not implemented for '{type}'",
            "_cuda_<impl|template>\" not implemented for '{type}'",
            "not implemented for 'Float8_e4m3fn'",
            "not implemented for 'Float8_e5m2'",
        ),
        what="An operation has no GPU code for the number format of the weights.",
        cause="The weights are {type}: eight-bit floats are only a format to keep weights in and must be converted before each step; bf16 lacks some operations in older torch releases.",
        fix=(
            (
                "mixed_precision = fp16",
                "computes in a format that every operation has; and load weights of fp16 or bf16, not of fp8",
            ),
            ("{python} -m pip install --upgrade torch", "newer releases have more operations in bf16"),
        ),
        link="https://docs.pytorch.org/docs/stable/tensor_attributes.html",
        examples=(
            "RuntimeError: \"addmm_cuda\" not implemented for 'Float8_e4m3fn'",
            "RuntimeError: \"triu_tril_cuda_template\" not implemented for 'BFloat16'",
        ),
    ),
    Symptom(
        id="dt-half-float-bias",
        area="precision",
        weight=82,
        signs=(
            "Input type (<float|c10::Half|struct c10::Half|c10::BFloat16|struct c10::BFloat16|torch.cuda.FloatTensor|torch.cuda.HalfTensor|torch.FloatTensor|double>) and <bias|weight> type (",
            "Input type ({a:any}) and bias type ({b:any}) should be the same",
            "Input type ({a:any}) and weight type ({b:any}) should be the same",
            "expected scalar type <Half|Float|BFloat16|Double> but found",
            "mat1 and mat2 must have the same dtype",
            "expected m1 and m2 to have the same dtype",
            "expected mat1 and mat2 to have the same dtype",
            "Query, key, and value to have the same dtype",
            "Expected query, key, and value to have the same dtype",
            "dtype mismatch ... torch.float16",
        ),
        what="Two number formats meet in one operation.",
        cause="Some weights are in half precision while their input is in another: a part of the model was moved to fp16 or bf16, its input (or the validation pipeline) was not.",
        fix=(
            ("mixed_precision = bf16", "bf16 for FLUX and SDXL, where the GPU can (RTX 30 and later)"),
            (
                "{python} -m pip install --upgrade diffusers accelerate",
                "newer training scripts cast the validation pipeline",
            ),
        ),
        link="https://github.com/huggingface/diffusers/issues/9237",
        cases=("dt-half-float-bias",),
        examples=(
            "RuntimeError: Input type (float) and bias type (c10::Half) should be the same",
            "RuntimeError: mat1 and mat2 must have the same dtype, but got Half and Float",
        ),
    ),
    Symptom(
        id="dt-nan-latents",
        area="precision",
        weight=84,
        signs=(
            "NaN detected in latents",
            "A tensor with all NaNs was produced in VAE",
            "A tensor with NaNs was produced in VAE",
            "NansException",
            "A tensor with all NaNs was produced in Unet",
        ),
        what="The VAE overflows in fp16.",
        cause="SDXL's VAE does not fit into fp16's range and gives NaN; the image that the message names is innocent.",
        fix=(
            ("no_half_vae = true", "the VAE works in fp32 (--no_half_vae, --no-half-vae)"),
            ("vae = madebyollin/sdxl-vae-fp16-fix", "or: a VAE that was made for fp16"),
        ),
        link="https://huggingface.co/madebyollin/sdxl-vae-fp16-fix",
        cases=("dt-nan-latents",),
        examples=("RuntimeError: NaN detected in latents: /data/img/7_token woman/photo.png",),
    ),
    Symptom(
        id="dt-bf16-unsupported",
        area="precision",
        weight=82,
        signs=(
            "bf16 mixed precision requires PyTorch",
            "Your setup doesn't support bf16/gpu",
            "bf16/gpu. You need torch>=1.10, using Ampere GPU",
            "BFloat16 is not supported on",
            "Bfloat16 is only supported on GPUs with compute capability of at least 8.0",
            "requires .target sm_80 or higher",
            "Current CUDA Device does not support bfloat16",
        ),
        what="This GPU can't compute in bf16.",
        cause="bf16 needs compute capability 8.0 (RTX 30) or more.",
        fix=(("mixed_precision = fp16", "the half precision of older GPUs"),),
        cases=("dt-bf16-unsupported",),
        examples=(
            "ValueError: Your setup doesn't support bf16/gpu. You need torch>=1.10, using Ampere GPU with cuda>=11.0",
            "ValueError: bf16 mixed precision requires PyTorch >= 1.10 and a supported device.",
        ),
    ),
    Symptom(
        id="dt-half-on-cpu",
        area="precision",
        weight=76,
        signs=(
            "\" not implemented for 'Half'",
            "not implemented for 'Half'",
            "not implemented for 'BFloat16'",
        ),
        # The name of the operation tells where it ran.
        unless=('_cuda" not implemented for', '_cuda_<impl|template>" not implemented for'),
        what="Half precision was asked for where it is not implemented.",
        cause="The operation runs on the CPU (or an old GPU path), which has no code for this format: no GPU is used, or a part of the model stayed on the CPU.",
        fix=(
            ("dreamboot doctor --python {python}", "nothing: says whether torch sees the GPU"),
            ("mixed_precision = no", "fp32 on the CPU"),
        ),
        examples=("RuntimeError: \"LayerNormKernelImpl\" not implemented for 'Half'",),
    ),
    Symptom(
        id="dt-unscale",
        area="precision",
        weight=80,
        signs=("Attempting to unscale FP16 gradients", "No inf checks were recorded for this optimizer"),
        what="The trained weights are in fp16.",
        cause="Mixed precision needs the trained weights in fp32 (the frozen ones may be fp16); the gradient scaler refuses fp16 gradients.",
        fix=(
            (
                "{python} -m pip install --upgrade diffusers peft accelerate",
                "newer scripts cast the trained weights to fp32",
            ),
            ("mixed_precision = bf16", "needs no scaler"),
        ),
        examples=("ValueError: Attempting to unscale FP16 gradients.",),
    ),
    Symptom(
        id="dt-black-images",
        area="precision",
        level=Level.WARNING,
        weight=62,
        signs=("invalid value encountered in cast", 'invalid value encountered in multiply ... astype("uint8")'),
        needs=("astype", "image_processor", "numpy_to_pil"),
        what="The pictures hold NaN (they are black).",
        cause="fp16 overflowed: SDXL's VAE, or a GTX 16 card, which computes fp16 wrongly.",
        fix=(("no_half_vae = true", "the VAE works in fp32; on GTX 16 cards use mixed_precision = no"),),
        link="https://github.com/pytorch/pytorch/issues/77955",
        examples=(
            '/v/diffusers/image_processor.py:90: RuntimeWarning: invalid value encountered in cast\n  images = (images * 255).round().astype("uint8")',
        ),
    ),
    Symptom(
        id="dt-loss-nan",
        area="precision",
        level=Level.WARNING,
        weight=56,
        signs=("loss=nan", "avr_loss=nan", "loss: nan", "step_loss=nan", "'loss': nan"),
        what="The loss became NaN.",
        cause="The training diverged: a too high learning rate, or fp16 where bf16 or fp32 is needed.",
        fix=(
            ("learning_rate = 1e-6", "a lower rate (LoRA: 1e-4); start again from the last good checkpoint"),
            ("mixed_precision = bf16", "where the GPU can"),
        ),
        examples=("steps:  12%|█▏        | 96/800 [01:12<08:49,  1.33it/s, avr_loss=nan]",),
    ),
    Symptom(
        id="dt-amp-noise",
        area="precision",
        level=Level.NOISE,
        signs=(
            "torch.cuda.amp.custom_fwd(args...)` is deprecated",
            "torch.cuda.amp.autocast(args...)` is deprecated",
            "Applied workaround for CuDNN issue",
            "Mean of empty slice",
        ),
        what="Deprecation notes and numpy's warnings: harmless.",
        cause="",
    ),
)
