"""Main memory, page file and disks."""

# ruff: noqa: E501, RUF001 - messages and lines of logs are kept whole, in their own letters

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Level, Symptom
from dreamboot.doctor.symptoms.families.wsl import WSL_SIGNS

SYMPTOMS = (
    Symptom(
        id="mem-pagefile-kohya",
        area="disk-memory",
        weight=86,
        signs=("WinError 1455",),
        what="Windows' page file is too small (1455).",
        cause="Every worker of the data loader loads torch's libraries again, and Windows must be able to commit memory for all of them.",
        fix=(
            ("max_data_loader_n_workers = 0", "no workers (num_workers=0)"),
            (
                "SystemPropertiesPerformance.exe",
                "Advanced → Virtual memory: let Windows manage the page file, on a drive with 50 GB free",
            ),
        ),
        cases=("mem-pagefile-kohya",),
        leads_to=("win-1114-localized", "win-dll-126"),
        examples=(
            'OSError: [WinError 1455] Die Auslagerungsdatei ist zu klein. Error loading "D:\\v\\lib\\site-packages\\torch\\lib\\cudnn_cnn_train64_8.dll" or one of its dependencies.',
        ),
    ),
    Symptom(
        id="mem-pagefile-safetensors",
        area="disk-memory",
        weight=86,
        signs=("(os error 1455)", "os error 1455"),
        what="Windows' page file is too small to open this checkpoint (1455).",
        cause="The file is mapped into memory, and Windows must be able to commit its whole size.",
        fix=(
            (
                "SystemPropertiesPerformance.exe",
                "Advanced → Virtual memory: let Windows manage the page file, on a drive with more free space than the model is large",
            ),
        ),
        cases=("mem-pagefile-safetensors",),
        examples=("OSError: 页面文件太小，无法完成操作。 (os error 1455)",),
    ),
    Symptom(
        id="mem-sigkill-simpletuner",
        area="disk-memory",
        weight=70,
        signs=(
            "died with <Signals.SIGKILL: 9>",
            "Signal 9 (SIGKILL) received",
            "exitcode: -9 ",
            "exit code 137",
            "exited with code 137",
            "returned non-zero exit status 137",
            "OOMKilled",
            "Out of memory: Killed process",
            "oom-kill:",
            "^Killed$",
            "line {line:int}: {pid:int} Killed",
            "^Killed: 9$",
            "^Getötet$",
            "^Processus arrêté$",
            "^已杀死$",
            "Killed {cmd:any} python",
            "with exitcode -9",
        ),
        unless=WSL_SIGNS,
        what="The system ran out of memory and ended the program.",
        cause="The kernel (or the limit of the container or job) killed it with signal 9: main memory, not video memory, was full.",
        fix=(
            ("sudo dmesg | grep -i 'killed process'", "nothing: shows what was killed, and how large it was"),
            ("num_workers=0", "fewer copies of the data; load the model with low_cpu_mem_usage, or add swap"),
        ),
        cases=("mem-sigkill-simpletuner",),
        examples=("subprocess.CalledProcessError: Command '['python', 'train.py']' died with <Signals.SIGKILL: 9>.",),
    ),
    Symptom(
        id="mem-ram",
        area="disk-memory",
        weight=78,
        signs=(
            "DefaultCPUAllocator: not enough memory",
            "DefaultCPUAllocator: can't allocate memory",
            "numpy.core._exceptions._ArrayMemoryError",
            "Unable to allocate {size:any} for an array with shape",
            "[Errno 12] Cannot allocate memory",
            "[Errno 12]",
            "std::bad_alloc",
            "^MemoryError$",
            "[WinError 8]",
        ),
        what="Main memory is full.",
        cause="A block of main memory (not video memory) could not be had.",
        fix=(
            ("free -h", "nothing: shows what is left; close programs, add swap, use fewer workers"),
            ("num_workers=0", "fewer copies of the data"),
        ),
        examples=(
            "RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: not enough memory: you tried to allocate 3276800 bytes.",
        ),
    ),
    Symptom(
        id="disk-hf-home",
        area="disk-memory",
        weight=78,
        signs=(
            "[Errno 28]",
            "inline_container.cc{x:any}unexpected pos",
            "(os error 28)",
            "ENOSPC",
            "PytorchStreamWriter failed writing file",
            "IoError(Os { code: 28",
            "kind: StorageFull",
            "No space left on device: '",
            "no space left on device: unknown",
            "write /{path:any}: no space left on device",
            "[WinError 112]",
            "(os error 112)",
            "Not enough free disk space to download the file",
            "[Errno 122]",
            "Disk quota exceeded",
        ),
        unless=("shared memory(shm)", "</torch_", "shm/nccl-"),
        what="A disk is full.",
        cause="The place that was written to has no room left. Models go to the hub's cache (HF_HOME, by default in the home folder), pip and uv write to TMPDIR and their caches, checkpoints to the output folder.",
        fix=(
            ("df -h ~ /tmp; du -sh ~/.cache/*", "nothing: shows which disk is full, and what fills it"),
            ("export HF_HOME=/PATH/ON/A/LARGE/DISK/huggingface", "moves the hub's cache"),
        ),
        link="https://huggingface.co/docs/huggingface_hub/guides/manage-cache",
        cases=("disk-hf-home",),
        examples=(
            "OSError: [Errno 28] No space left on device",
            "OSError: [Errno 28] Auf dem Gerät ist kein Speicherplatz mehr verfügbar: '/home/u/.cache/huggingface'",
        ),
    ),
    Symptom(
        id="mem-files",
        area="disk-memory",
        weight=76,
        signs=("[Errno 24]", "Too many open files", "received 0 items of ancdata"),
        what="Too many files are open.",
        cause="The limit of open files is lower than the data loader's workers need.",
        fix=(("ulimit -n 65535", "raises the limit for this shell"),),
        examples=("OSError: [Errno 24] Too many open files",),
    ),
    Symptom(
        id="mem-worker-exited",
        area="disk-memory",
        level=Level.LATE,
        weight=52,
        signs=(
            "DataLoader worker (pid(s) {pids:any}) exited unexpectedly",
            "DataLoader worker (pid {pid:int}) is killed by signal: Killed",
        ),
        what="A worker of the data loader was ended from outside.",
        cause="Most often main memory (or the page file) was full; the workers' own error comes earlier, if there is one.",
        fix=(("num_workers=0", "loads in the main process: the real error then shows itself"),),
        examples=("RuntimeError: DataLoader worker (pid 4242) is killed by signal: Killed.",),
    ),
)
