"""Compiled extensions that were built for other libraries than those here."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

SYMPTOMS = (
    Symptom(
        id="np2-torch",
        area="abi",
        weight=82,
        signs=(
            "compiled using NumPy 1.x cannot be run in NumPy {have:ver}",
            "_ARRAY_API not found",
            "RuntimeError: Numpy is not available",
            "Failed to initialize NumPy: _ARRAY_API",
            "module compiled against ABI version 0x1{n} but this version of numpy is 0x2",
        ),
        leads_to=("np-dtype-size",),
        what="A package was compiled for NumPy 1, and NumPy 2 is installed.",
        cause="Expected numpy<2, found {have}: torch before 2.3 (on Windows before 2.4.1), or another extension, can't use NumPy 2.",
        fix=(
            ("{python} -m pip install 'numpy<2'", "goes back to NumPy 1.26"),
            (
                "{python} -m pip install --upgrade torch torchvision",
                "a torch that supports NumPy 2 (keep the index of your build)",
            ),
        ),
        link="https://numpy.org/doc/stable/numpy_2_0_migration_guide.html",
        cases=("np2-torch", "np2-embedded"),
        examples=(
            "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.1.0 as it may crash. To support both 1.x and 2.x",
            "AttributeError: _ARRAY_API not found",
            "RuntimeError: Numpy is not available",
        ),
    ),
    Symptom(
        id="np-dtype-size",
        area="abi",
        weight=80,
        signs=(
            "numpy.dtype size changed, may indicate binary incompatibility",
            "numpy.ufunc size changed, may indicate binary incompatibility",
            "numpy.ndarray size changed",
            "numpy.core.multiarray failed to import",
            "module compiled against <ABI|API> version {want} but this version of numpy is",
        ),
        needs=("ValueError", "ImportError", "RuntimeError"),
        what="A package was compiled for another NumPy.",
        cause="numpy's types are not those that the extension was compiled with: numpy was changed after it, or is too old for it.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-cache-dir numpy pandas scikit-learn scipy",
                "brings builds that belong together",
            ),
        ),
        examples=(
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject",
        ),
    ),
    Symptom(
        id="abi-glibc",
        area="abi",
        weight=80,
        signs=(
            "version `GLIBC_{want:ver}' not found",
            "version `GLIBCXX_{want:ver}' not found",
            "version `CXXABI_{want:ver}' not found",
            "version 'GLIBCXX_{want:ver}' not found",
        ),
        what="This system's C or C++ library is older than a package needs.",
        cause="Expected a library that knows {want}; the system's (or conda's) is older. manylinux_2_28 wheels need glibc 2.28 (Debian 10, RHEL 8) or later.",
        fix=(
            ("strings /usr/lib/x86_64-linux-gnu/libstdc++.so.6 | grep GLIBCXX", "nothing: shows what the system has"),
            ("conda install -c conda-forge libstdcxx-ng", "in conda: brings a newer libstdc++"),
        ),
        examples=(
            "ImportError: /lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /x/venv/lib/python3.11/site-packages/foo.so)",
        ),
    ),
    Symptom(
        id="abi-undefined-symbol",
        area="abi",
        weight=72,
        signs=tuple(
            f"<site-packages|dist-packages|.egg>{{path:any}}: undefined symbol: {symbol}"
            for symbol in ("_ZN", "_ZTI", "Py", "aoti_torch", "iJIT_NotifyEvent")
        ),
        unless=("flash_attn", "xformers/_C", "fused.so", "libbitsandbytes"),
        what="A compiled extension does not fit the torch or Python that loads it.",
        cause="It asks for a function that is not there: built for another torch, Python or C++ ABI.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-deps PACKAGE",
                "reinstalls the package that the path in the message names, in the release for this torch",
            ),
        ),
        examples=(
            "OSError: /x/venv/lib/python3.10/site-packages/torchaudio/lib/libtorchaudio.so: undefined symbol: _ZN3c104impl3cow11cow_deleterEPv",
        ),
    ),
    Symptom(
        id="abi-arch",
        area="abi",
        weight=76,
        signs=(
            "incompatible architecture (have '{have}', need '{want}')",
            "mach-o file, but is an incompatible architecture",
            "wrong ELF class",
            "cannot execute binary file: Exec format error",
        ),
        what="A binary is for another processor.",
        cause="It was built for another architecture than this machine or this Python has.",
        fix=(
            (
                "{python} -c 'import platform; print(platform.machine())'",
                "nothing: shows what this Python is; install the package with it again",
            ),
        ),
        examples=(
            "ImportError: dlopen(/x/_C.so, 0x0002): tried: '/x/_C.so' (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
        ),
    ),
    Symptom(
        id="abi-foreign-file",
        area="abi",
        weight=86,
        signs=("{file:any}: invalid ELF header",),
        leads_to=("bnb-setup-failed", "bnb-cuda128-dll"),
        what="A file that should be a library of Linux is none.",
        cause="It is a library of Windows or macOS, or a placeholder (git-lfs) in its place; the line names the file.",
        fix=(
            (
                "{python} -m pip install --force-reinstall --no-deps PACKAGE",
                "installs the package that the path names, for this system; no environment of Windows may be used from WSL",
            ),
        ),
        examples=(
            "OSError: /v/lib/python3.10/site-packages/bitsandbytes/libbitsandbytes_cuda116.dll: invalid ELF header",
        ),
    ),
    Symptom(
        id="abi-illegal-instruction",
        area="abi",
        weight=62,
        signs=(
            "Illegal instruction (core dumped)",
            "^Illegal instruction$",
            "died with <Signals.SIGILL",
            "exit code 132",
            "0xC000001D",
            "3221225501",
        ),
        what="A package uses instructions that this processor does not have.",
        cause="Most current wheels need AVX2; an old processor, or a virtual machine that hides it, stops there.",
        fix=(
            (
                "grep -o -m1 avx2 /proc/cpuinfo",
                "nothing: prints avx2 if the processor has it; in a virtual machine choose the processor type 'host'",
            ),
        ),
        examples=("Illegal instruction (core dumped)",),
    ),
    Symptom(
        id="abi-static-tls",
        area="abi",
        weight=74,
        signs=("cannot allocate memory in static TLS block",),
        what="A library was loaded too late to get its thread storage.",
        cause="glibc has little static TLS; a library such as libgomp must be loaded first.",
        fix=(
            (
                "export LD_PRELOAD=/usr/lib/aarch64-linux-gnu/libgomp.so.1",
                "loads the library that the message names first",
            ),
        ),
        examples=("ImportError: /usr/lib/aarch64-linux-gnu/libgomp.so.1: cannot allocate memory in static TLS block",),
    ),
    Symptom(
        id="abi-mkl-ijit",
        area="abi",
        weight=80,
        signs=("undefined symbol: iJIT_NotifyEvent",),
        what="The MKL library is newer than this torch can be loaded with.",
        cause="MKL 2024.1 no longer has the symbol iJIT_NotifyEvent, which conda's builds of torch before 2.3 take from it.",
        fix=(("conda install 'mkl<2024.1'", "MKL of the time of that torch, in the active conda environment"),),
        link="https://github.com/pytorch/pytorch/issues/123097",
        examples=(
            "ImportError: /c/lib/python3.10/site-packages/torch/lib/libtorch_cpu.so: undefined symbol: iJIT_NotifyEvent",
        ),
    ),
    Symptom(
        id="abi-torchvision-image",
        area="abi",
        level=Level.NOISE,
        signs=("Failed to load image Python extension",),
        what="torchvision's own image reader is not loaded: harmless, Pillow reads the photos.",
        cause="",
    ),
)
