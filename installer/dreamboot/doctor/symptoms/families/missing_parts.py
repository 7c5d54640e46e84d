"""Optional packages, system libraries and programs that something needs and does not find."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

SYMPTOMS = (
    Symptom(
        id="dep-named",
        area="corrupted-install",
        weight=74,
        signs=(
            "requires the {module} library but it was not found in your environment",
            "packages that were not found in your environment: {module}. Run",
            "this tokenizer from a slow version. If it's based on {module}, make sure you have",
            "Make sure to install {module} if you want to use it",
            "ValueError: {module} is not installed$",
            "ModuleNotFoundError: {module} is not installed$",
            "requires the {module} package",
        ),
        unless=("bitsandbytes", "xformers", "flash_attn", "flash-attn"),
        what="The package {module} is missing.",
        cause="A tokenizer or model needs {module}, which transformers and diffusers do not install by themselves.",
        fix=(("{python} -m pip install --upgrade {module}", "installs it into this environment"),),
        link="https://huggingface.co/docs/transformers/installation",
        examples=(
            "ImportError:\nT5Tokenizer requires the SentencePiece library but it was not found in your environment. Check out the instructions on the page of its repository.",
            "ImportError: This modeling file requires the following packages that were not found in your environment: einops. Run `pip install einops`",
            "ValueError: Cannot instantiate this tokenizer from a slow version. If it's based on sentencepiece, make sure you have sentencepiece installed.",
        ),
        others=(
            "virtual environment for you. Make sure you have pipx installed.",
            "ValueError: xformers is not available. Make sure it is installed correctly",
        ),
    ),
    Symptom(
        id="dep-accelerate",
        area="corrupted-install",
        weight=74,
        signs=(
            "requires Accelerate: `pip install",
            "requires `accelerate>={want:ver}`",
            "Using the `Trainer` with `PyTorch` requires `accelerate",
        ),
        what="accelerate is missing, or too old for what asks for it.",
        cause="The way in which the model is loaded needs accelerate, and this environment has none that is new enough.",
        fix=(("{python} -m pip install --upgrade accelerate", "installs the current release"),),
        link="https://huggingface.co/docs/accelerate/basic_tutorials/install",
        examples=(
            "ImportError: Using `low_cpu_mem_usage=True` or a `device_map` requires Accelerate: `pip install 'accelerate>=0.26.0'`",
        ),
    ),
    Symptom(
        id="dep-peft",
        area="corrupted-install",
        weight=74,
        signs=("PEFT backend is required for this method", "PEFT is not installed. Please install it with"),
        what="peft is missing, or too old for diffusers.",
        cause="diffusers loads and trains LoRAs through peft, and this environment has none that it accepts.",
        fix=(("{python} -m pip install --upgrade peft", "installs the current release"),),
        link="https://huggingface.co/docs/diffusers/tutorials/using_peft_for_inference",
        examples=("ValueError: PEFT backend is required for this method.",),
    ),
    Symptom(
        id="dep-opencv-mixed",
        area="corrupted-install",
        weight=84,
        signs=(
            "partially initialized module 'cv2' has no attribute '{name}'",
            "module 'cv2' has no attribute 'gapi{name}'",
            "module 'cv2' has no attribute '_registerMatType'",
            "cv2.gapi.wip.draw",
        ),
        what="Two builds of OpenCV lie over each other.",
        cause="opencv-python, opencv-python-headless and the contrib builds share the folder cv2; with two of them its files do not fit.",
        fix=(
            (
                "{python} -m pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless",
                "removes all of them",
            ),
            ("{python} -m pip install opencv-python-headless", "installs one"),
        ),
        link="https://github.com/opencv/opencv-python",
        examples=(
            "AttributeError: partially initialized module 'cv2' has no attribute 'gapi_wip_gin_GStreamerPipeline' (most likely due to a circular import)",
        ),
    ),
    Symptom(
        id="np-broken",
        area="corrupted-install",
        weight=86,
        signs=(
            "Importing the numpy C-extensions failed",
            "you should not try to import numpy from its source directory",
            "No module named 'numpy.core._multiarray_umath'",
            "No module named 'numpy._core._multiarray_umath'",
        ),
        leads_to=("pkg-removed-submodule", "np2-torch", "win-dll-load", "abi-undefined-symbol"),
        what="numpy's own compiled part can't be loaded.",
        cause="Its files were made for another Python, or two releases lie over each other; everything that imports numpy fails after it.",
        fix=(
            ("{python} -m pip uninstall -y numpy", "removes it; repeat it until pip says that it is not installed"),
            ("{python} -m pip install --no-cache-dir numpy", "installs one release, for this Python"),
        ),
        link="https://numpy.org/doc/stable/user/troubleshooting-importerror.html",
        examples=(
            "ImportError:\n\nIMPORTANT: PLEASE READ THIS FOR ADVICE ON HOW TO SOLVE THIS ISSUE!\n\nImporting the numpy C-extensions failed. This error can happen for many reasons.\nOriginal error was: No module named 'numpy.core._multiarray_umath'",
        ),
    ),
    Symptom(
        id="tf-noise",
        area="abi",
        level=Level.NOISE,
        signs=(
            "cudart_stub.cc:{line:int}]",
            "dso_loader.cc:{line:int}]",
            "cpu_feature_guard.cc:{line:int}]",
            "Unable to register cuDNN factory",
            "TF-TRT Warning",
        ),
        what="TensorFlow (it comes along with tensorboard) tells what it does not find: harmless, torch does not use it.",
        cause="",
    ),
    Symptom(
        id="abi-libgl",
        area="abi",
        weight=80,
        signs=(
            "libGL.so.1: cannot open shared object file",
            "libgthread-2.0.so.0: cannot open shared object file",
            "libglib-2.0.so.0: cannot open shared object file",
            "libSM.so.6: cannot open shared object file",
            "libXext.so.6: cannot open shared object file",
            "libXrender.so.1: cannot open shared object file",
        ),
        what="A graphics library of the system is missing.",
        cause="opencv-python draws windows and wants libGL and GLib, which servers and container images leave out.",
        fix=(
            ("sudo apt-get install -y libgl1 libglib2.0-0", "adds the libraries (Debian, Ubuntu)"),
            (
                "{python} -m pip uninstall -y opencv-python && {python} -m pip install --force-reinstall opencv-python-headless",
                "or: an OpenCV without windows, which needs none of them",
            ),
        ),
        link="https://github.com/opencv/opencv-python",
        examples=("ImportError: libGL.so.1: cannot open shared object file: No such file or directory",),
    ),
    Symptom(
        id="triton-missing",
        area="attention",
        weight=80,
        signs=("Cannot find a working triton installation", "torch._inductor.exc.TritonMissing"),
        what="torch.compile needs triton, and there is none that works.",
        cause="dynamo's backend inductor writes triton code. Torch for Windows brings no triton, and an old one is not accepted.",
        fix=(
            ("dynamo_backend = no", "trains without torch.compile (in accelerate's configuration)"),
            ("{python} -m pip install --upgrade triton-windows", "or, on Windows: a triton"),
        ),
        link="https://github.com/triton-lang/triton-windows",
        examples=(
            "torch._inductor.exc.TritonMissing: Cannot find a working triton installation. Either the package is not installed or it is too old.",
        ),
    ),
    Symptom(
        id="py-headers",
        area="python-version",
        weight=80,
        signs=("fatal error: Python.h: No such file", "Python.h: No such file or directory"),
        what="Python's headers are missing.",
        cause="triton (or pip) compiles a small C file against Python, whose header Python.h belongs to a package of its own.",
        fix=(
            ("sudo apt-get install -y python3-dev", "adds the headers of the system's Python (Fedora: python3-devel)"),
            ("uv venv --managed-python venv", "or: an environment on a Python that has its headers"),
        ),
        link="https://docs.python.org/3/extending/extending.html",
        examples=(
            "main.c:6:10: fatal error: Python.h: No such file or directory\nsubprocess.CalledProcessError: Command '['/usr/bin/gcc', '/tmp/tmpabc/main.c']' returned non-zero exit status 1.",
        ),
    ),
    Symptom(
        id="prog-git",
        area="path-leak",
        weight=80,
        signs=(
            "Cannot find command 'git'",
            "git: command not found",
            "'git' is not recognized as an internal or external command",
            "Bad git executable",
            "Git executable not found",
        ),
        what="git is not there.",
        cause="pip or the program fetches source code with git, which is not installed or not in PATH.",
        fix=(
            ("winget install Git.Git", "Windows: installs git; open a new terminal afterwards"),
            ("sudo apt-get install -y git", "Debian, Ubuntu"),
        ),
        link="https://git-scm.com/downloads",
        examples=("ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?",),
    ),
    Symptom(
        id="prog-not-in-env",
        area="path-leak",
        weight=70,
        signs=(
            "accelerate: command not found",
            "'accelerate' is not recognized as an internal or external command",
            "'accelerate' is not recognized as the name of a cmdlet",
            "torchrun: command not found",
            "huggingface-cli: command not found",
            "hf: command not found",
            "pip: command not found",
            "The term 'accelerate' is not recognized",
        ),
        what="The environment is not active.",
        cause="The program lies in an environment's bin or Scripts folder, which is not in PATH; or its package is not installed.",
        fix=(
            ("source venv/bin/activate", "activates it (Windows: venv\\Scripts\\activate)"),
            ("{python} -m accelerate.commands.accelerate_cli launch ...", "or: starts it by the environment's Python"),
        ),
        link="https://docs.python.org/3/library/venv.html",
        examples=("bash: accelerate: command not found",),
    ),
    Symptom(
        id="venv-uv-none",
        area="path-leak",
        weight=80,
        signs=("No virtual environment found; run `uv venv`", "No virtual environment found for Python"),
        what="uv finds no environment to install into.",
        cause="No .venv lies here or above, and none is active; uv does not touch the system's Python unasked.",
        fix=(("uv venv && uv pip install -r requirements.txt", "makes .venv and installs into it"),),
        link="https://docs.astral.sh/uv/pip/environments/",
        examples=(
            "error: No virtual environment found; run `uv venv` to create an environment, or pass `--system` to install into a non-virtual environment",
        ),
    ),
    Symptom(
        id="perm-noexec",
        area="permissions",
        weight=82,
        signs=("failed to map segment from shared object: Operation not permitted",),
        what="A library lies where nothing may be run.",
        cause="Its disk (often /tmp or the home folder) is mounted with noexec, so the loader may not use it.",
        fix=(
            ("export TMPDIR=$HOME/tmp && mkdir -p $TMPDIR", "temporary libraries go to a folder that may run them"),
            ("findmnt -T /tmp", "nothing: shows the options of the mount"),
        ),
        link="https://man7.org/linux/man-pages/man8/mount.8.html",
        examples=(
            "ImportError: /tmp/torchinductor/x.so: failed to map segment from shared object: Operation not permitted",
        ),
    ),
)
