"""Windows: libraries that can't be loaded, long paths, code pages, processes."""

# ruff: noqa: E501 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom

VC = (
    "winget install --id Microsoft.VCRedist.2015+.x64",
    "installs the current Visual C++ runtime (needs administrator rights); restart afterwards",
)
VC_LINK = "https://aka.ms/vs/17/release/vc_redist.x64.exe"

SYMPTOMS = (
    Symptom(
        id="win-1114-localized",
        area="windows",
        weight=84,
        signs=("WinError 1114", "(os error 1114)", "c10.dll{x:any}or one of its dependencies"),
        unless=("WinError 126", "WinError 127", "WinError 1455", "WinError 193"),
        what="A library of torch could not start (WinError 1114).",
        cause="Most often the Visual C++ runtime is older than torch needs, or an old msvcp140.dll beside python.exe (PyQt, embedded Python) is loaded first.",
        fix=(
            VC,
            (
                "{python} -m pip install torch==2.8.0 torchvision==0.23.0",
                "or: the last torch that the old runtime suffices for (keep the --index-url of your build)",
            ),
        ),
        link=VC_LINK,
        cases=("win-1114-localized", "win-c10-1114"),
        examples=(
            'OSError: [WinError 1114] Eine DLL-Initialisierungsroutine ist fehlgeschlagen. Error loading "C:\\v\\Lib\\site-packages\\torch\\lib\\c10.dll" or one of its dependencies.',
        ),
    ),
    Symptom(
        id="win-dll-126",
        area="windows",
        weight=82,
        signs=(
            "[WinError 126] ... .dll",
            "[WinError 127] ... .dll",
            "[WinError 182] ... .dll",
            "WinError 126",
            "WinError 127",
            "fbgemm.dll",
            "Microsoft Visual C++ Redistributable is not installed",
        ),
        unless=("WinError 1114", "bitsandbytes", "WinError 1455"),
        what="A library that torch needs is missing (WinError 126 or 127).",
        cause="torch's own file is there, but one that it needs is not: the Visual C++ runtime, or libomp140.x86_64.dll for fbgemm.dll.",
        fix=(
            VC,
            (
                "{python} -m pip install --force-reinstall torch torchvision",
                "if it goes on: installs every file again (keep the --index-url of your build)",
            ),
        ),
        link=VC_LINK,
        examples=(
            'OSError: [WinError 126] 找不到指定的模块。 Error loading "D:\\env\\lib\\site-packages\\torch\\lib\\fbgemm.dll" or one of its dependencies.',
        ),
    ),
    Symptom(
        id="win-libtriton-dll",
        area="windows",
        weight=84,
        signs=("while importing libtriton", "importing libtriton ... "),
        what="triton for Windows could not be loaded.",
        cause="The Visual C++ runtime is missing or older than triton-windows needs; often an old vcruntime140.dll lies beside python.exe.",
        fix=(VC, ("{python} -m pip uninstall -y triton-windows", "or: do without triton")),
        link="https://github.com/woct0rdho/triton-windows/issues/26",
        cases=("win-libtriton-dll",),
        examples=(
            "ImportError: DLL load failed while importing libtriton: Das angegebene Modul wurde nicht gefunden.",
        ),
    ),
    Symptom(
        id="win-sage-dll",
        area="windows",
        weight=84,
        signs=("while importing _fused", "while importing _qattn", "while importing sageattn"),
        what="SageAttention was built for another torch.",
        cause="Its wheel is for another torch, CUDA version or Python than the installed ones.",
        fix=(("{python} -m pip uninstall -y sageattention", "torch's own attention takes over"),),
        link="https://github.com/thu-ml/SageAttention/issues/123",
        cases=("win-sage-dll",),
        examples=("ImportError: DLL load failed while importing _fused: The specified module could not be found.",),
    ),
    Symptom(
        id="win-dll-load",
        area="windows",
        weight=70,
        signs=("DLL load failed while importing {name}", "ImportError: DLL load failed", "0xC0000135", "3221225781"),
        unless=("libtriton", "_fused", "_qattn", "flash_attn", "xformers"),
        what="A compiled part of a package could not be loaded.",
        cause="A library that {name} needs is missing or does not fit: the Visual C++ runtime, or a package for another torch or Python.",
        fix=(
            VC,
            (
                "{python} -m pip install --force-reinstall --no-deps PACKAGE",
                "reinstalls the package that the traceback names",
            ),
        ),
        link=VC_LINK,
        examples=(
            "ImportError: DLL load failed while importing onnxruntime_pybind11_state: A dynamic link library (DLL) initialization routine failed.",
        ),
    ),
    Symptom(
        id="win-omp",
        area="windows",
        weight=80,
        signs=("OMP: Error #15", "libiomp5md.dll, but found libiomp5md.dll already initialized"),
        what="The OpenMP library was loaded twice.",
        cause="torch and another package (numpy from conda, often) bring one copy each.",
        fix=(
            ("conda install nomkl", "one copy less; or install numpy and torch both with pip"),
            ("set KMP_DUPLICATE_LIB_OK=TRUE", "goes on with two copies (results may be wrong)"),
        ),
        examples=("OMP: Error #15: Initializing libiomp5md.dll, but found libiomp5md.dll already initialized.",),
    ),
    Symptom(
        id="win-long-paths",
        area="windows",
        weight=80,
        signs=(
            "Windows Long Path support enabled",
            "[WinError 206]",
            "pip.pypa.io/warnings/enable-long-paths",
            "Filename too long",
            "file name too long (os error 206)",
        ),
        what="A path is longer than Windows allows.",
        cause="Without long paths Windows ends at 260 characters; wheels hold deeper folders.",
        fix=(
            (
                "reg add HKLM\\SYSTEM\\CurrentControlSet\\Control\\FileSystem /v LongPathsEnabled /t REG_DWORD /d 1 /f",
                "in a console that was started as administrator: allows long paths; or move the environment to a short folder such as C:\\sd",
            ),
        ),
        link="https://pip.pypa.io/warnings/enable-long-paths",
        examples=(
            "ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: 'C:\\\\x'\nHINT: This error might have occurred since this system does not have Windows Long Path support enabled.",
        ),
    ),
    Symptom(
        id="win-compiler",
        area="windows",
        weight=76,
        signs=(
            "Microsoft Visual C++ 14.0 or greater is required",
            "Microsoft Visual C++ 14.0 is required",
            "Unable to find vcvarsall.bat",
            "Error checking compiler version for cl",
        ),
        what="pip wants to compile a package, and there is no compiler.",
        cause="There is no ready-made wheel for this Python and package version; Visual C++ is not installed.",
        fix=(
            (
                "winget install Microsoft.VisualStudio.2022.BuildTools",
                "the compiler; better: a Python (3.10, 3.11) that has wheels",
            ),
        ),
        link="https://visualstudio.microsoft.com/visual-cpp-build-tools/",
        examples=('error: Microsoft Visual C++ 14.0 or greater is required. Get it with "Microsoft C++ Build Tools"',),
    ),
    Symptom(
        id="win-file-in-use",
        area="windows",
        weight=62,
        signs=("PermissionError: [WinError 32]", "OSError: [WinError 32]"),
        what="Another program has a file open that was to be changed.",
        cause="Windows lets nobody delete or replace a file that is open: a second run, a viewer, a virus scanner or a synchronising folder (OneDrive) holds it.",
        fix=(
            (
                'tasklist /FI "IMAGENAME eq python.exe"',
                "nothing: shows the Pythons that still run; close what holds the file, then go on",
            ),
        ),
        link="https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes--0-499-",
        examples=(
            "PermissionError: [WinError 32] The process cannot access the file because it is being used by another process: 'D:\\out\\last.safetensors'",
        ),
    ),
    Symptom(
        id="win-program-missing",
        area="windows",
        weight=58,
        signs=("_winapi.CreateProcess{x:any}[WinError 2]",),
        unless=("git version",),
        what="A program that was to be started is not there.",
        cause="The call that failed starts another program (tensorboard, accelerate, git, ffmpeg ...): it is not installed in this environment, or its folder is not in PATH because the environment is not active. The lines above name the caller.",
        fix=(
            ("where tensorboard accelerate git", "nothing: shows which of them Windows finds"),
            ("VENV\\Scripts\\activate.bat", "puts the environment's programs into PATH of this window"),
        ),
        link="https://docs.python.org/3/library/subprocess.html#popen-constructor",
        examples=(
            "    self.tensorboard_subprocess = subprocess.Popen(tensorboard_args)\n    hp, ht, pid, tid = _winapi.CreateProcess(executable, args,\nFileNotFoundError: [WinError 2] The system cannot find the file specified",
        ),
    ),
    Symptom(
        id="win-codec",
        area="windows",
        weight=72,
        signs=(
            "'gbk' codec can't decode",
            "'cp932' codec can't decode",
            "'charmap' codec can't <decode|encode>",
            "'cp1252' codec can't",
            "'gbk' codec can't encode",
            "'cp949' codec can't",
            "'cp1251' codec can't",
            "'cp{page:int}' codec can't <decode|encode>",
            "'big5' codec can't <decode|encode>",
            "'shift_jis' codec can't <decode|encode>",
        ),
        what="A text was read or written in Windows' old code page.",
        cause="A file or a message holds letters that this code page does not know; Python on Windows does not use UTF-8 by itself.",
        fix=(("set PYTHONUTF8=1", "Python reads and writes UTF-8"),),
        link="https://docs.python.org/3/using/windows.html#utf-8-mode",
        examples=("UnicodeDecodeError: 'gbk' codec can't decode byte 0x8d in position 52: illegal multibyte sequence",),
    ),
    Symptom(
        id="win-symlink",
        area="windows",
        weight=76,
        signs=("[WinError 1314]",),
        what="Windows did not allow a symbolic link.",
        cause="Links need the developer mode or administrator rights.",
        fix=(("start ms-settings:developers", "switch on the developer mode"),),
        examples=(
            "OSError: [WinError 1314] A required privilege is not held by the client: '..\\\\..\\\\blobs\\\\abc' -> 'C:\\\\Users\\\\x'",
        ),
    ),
    Symptom(
        id="win-store-python",
        area="windows",
        weight=74,
        signs=(
            "Python was not found; run without arguments to install from the Microsoft Store",
            "PythonSoftwareFoundation.Python ... PermissionError",
        ),
        what="Windows' Store takes the place of Python.",
        cause="`python` is the Store's alias, or a Store Python, which may not write to all folders.",
        fix=(
            (
                "winget install Python.Python.3.11",
                "a Python from python.org; switch the aliases off under 'App execution aliases'",
            ),
        ),
        examples=(
            "Python was not found; run without arguments to install from the Microsoft Store, or disable this shortcut from Settings",
        ),
    ),
    Symptom(
        id="win-execution-policy",
        area="windows",
        weight=80,
        signs=(
            "PSSecurityException",
            "about_Execution_Policies",
            "UnauthorizedAccess ... .ps1",
            "running scripts is disabled on this system",
        ),
        what="PowerShell does not run scripts here.",
        cause="The execution policy forbids Activate.ps1 and the like.",
        fix=(("Set-ExecutionPolicy -Scope CurrentUser RemoteSigned", "allows local scripts for your user"),),
        examples=(
            "venv\\Scripts\\Activate.ps1 cannot be loaded because running scripts is disabled on this system. FullyQualifiedErrorId : UnauthorizedAccess",
        ),
    ),
    Symptom(
        id="win-spawn",
        area="windows",
        weight=76,
        signs=(
            "before the current process has finished its bootstrapping phase",
            "Can't pickle local object",
            "Can't get local object",
            "EOFError: Ran out of input",
            "Can't pickle <function",
        ),
        needs=("spawn", "freeze_support", "popen_spawn_win32", "multiprocessing"),
        what="The data loader's workers can't be started.",
        cause="Windows starts workers anew; the program must be able to send them its objects, and keep its start under `if __name__ == '__main__'`.",
        fix=(("num_workers=0", "loads in the main process (kohya: --max_data_loader_n_workers 0)"),),
        examples=(
            "  File \"C:\\Python310\\lib\\multiprocessing\\popen_spawn_win32.py\", line 93, in __init__\nAttributeError: Can't pickle local object 'main.<locals>.collate'",
        ),
    ),
    Symptom(
        id="win-193",
        area="windows",
        weight=76,
        signs=("[WinError 193]",),
        unless=("bitsandbytes",),
        what="A file is not a program or library for this Windows.",
        cause="32 bits and 64 bits are mixed, or the file is damaged or for Linux.",
        fix=(("{python} -c \"import struct; print(struct.calcsize('P') * 8)\"", "nothing: must print 64"),),
        examples=("OSError: [WinError 193] %1 is not a valid Win32 application",),
    ),
    Symptom(
        id="triton-noise",
        area="windows",
        level=Level.NOISE,
        signs=(
            "A matching Triton is not available",
            "No module named 'triton'",
            "Triton is not available",
            "triton not found; flop counting will not work",
        ),
        what="triton is not there (on Windows it never comes with torch): harmless, only some optimizations are off.",
        cause="",
    ),
    Symptom(
        id="win-redirects-noise",
        area="windows",
        level=Level.NOISE,
        signs=(
            "Redirects are currently not supported in Windows or MacOs",
            "cache-system uses symlinks by default to efficiently store duplicated files",
        ),
        what="Notes about redirects and symbolic links on Windows: harmless.",
        cause="",
    ),
)
