"""Logs as users paste them: the right cause first, whatever happened to the text on its way."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import mutations
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamboot.doctor.symptoms import examine, explain

LOGS = Path(__file__).parents[2] / "captures" / "logs"
TRUTH = json.loads((LOGS / "truth.json").read_text(encoding="utf-8"))
# Where the truth is told in words, the id that stands for it.
IN_WORDS = {
    "bnb-env-noise": "drv-none-docker",
    "py-313-conda-kohya": "py-too-new",
    "bnb-cuda128-dll": "bnb-cuda128-dll",
    "acc-fp16-gpu": "acc-fp16-gpu",
}
# When a log is cut, what is left may show only a consequence of the cause: the same fault, told less exactly.
LESS_EXACT = {
    "mf-inpaint": {"mf-size-mismatch"},
    "xf-built-for-other-torch": {"xf-no-operator"},
    "bnb-cuda128-dll": {"bnb-str2optimizer"},
    "mf-incomplete": {"mf-unable-to-load"},
    "py-too-new": {"py-311-old-torch"},
    "vram-flux-24gb": {"vram-oom"},
    "vram-8gb-dreambooth-tab": {"vram-oom"},
    "net-gated-flux": {"net-gated-token-fine-grained"},
}


def text_of(name):
    return (LOGS / f"{name}.txt").read_text(encoding="utf-8")


def truth_of(name):
    return IN_WORDS.get(name, TRUTH[name]["true_root_cause"])


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_the_true_cause_comes_first(name):
    assert [cause.id for cause in explain((LOGS / f"{name}.txt").read_bytes())][:1] == [truth_of(name)]


@pytest.mark.parametrize("shape", sorted(mutations.SHAPES))
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_changed_shape_changes_nothing(name, shape):
    assert [cause.id for cause in explain(mutations.SHAPES[shape](text_of(name)))][:1] == [truth_of(name)]


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_a_cut_log_gives_the_same_answer_or_none(name):
    right = {truth_of(name)} | LESS_EXACT.get(truth_of(name), set())
    for how, text in mutations.truncations(text_of(name)):
        causes = explain(text)
        assert not causes or causes[0].id in right, how


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_utf16_as_powershell_writes_it(name):
    assert [cause.id for cause in explain(text_of(name).encode("utf-16"))][:1] == [truth_of(name)]


def test_the_cause_before_its_consequences():
    log = text_of("drv-none-docker") + "\n" + text_of("acc-calledprocesserror").splitlines()[-1]
    assert explain(log)[0].id == "drv-none-docker"


def test_the_first_failing_rank_is_asked():
    first = "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    later = (
        "[rank0]: torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, unhandled cuda error"
    )
    assert explain(f"{later}\n{first}")[0].id == "vram-oom"


def test_a_warning_is_not_the_cause_of_another_error():
    warning = text_of("xf-built-for-other-torch")
    assert explain(warning + "\n" + text_of("vram-flux-24gb"))[0].id == "vram-flux-24gb"
    unknown = "Traceback (most recent call last):\n  File \"train.py\", line 1, in <module>\nKeyError: 'foo'\n"
    assert explain(warning + "\n" + unknown) == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all is well\n",
        "subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1.",
        "A matching Triton is not available, some optimizations will not be enabled.\nNo module named 'triton'",
        "WARNING: The following directories listed in your path were found to be non-existent: {WindowsPath('C')}",
        "The following values were not passed to `accelerate launch` and had defaults used instead:",
        "Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\nKeyError: 'prompt'",
    ],
)
def test_what_it_does_not_know_it_says(text):
    found = examine(text)
    assert found.causes == ()
    assert found.would_help


def test_harmless_noise_is_recognised():
    found = examine("A matching Triton is not available, some optimizations will not be enabled.\n")
    assert found.harmless
    assert not found.causes


def test_the_commands_name_the_interpreter_of_the_log():
    cause = explain(text_of("pkg-cached-download"))[0]
    assert cause.problem.hint.startswith("/home/user/trainer/venv/bin/python -m pip")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=2000), st.binary(max_size=2000)))
def test_nothing_that_is_read_can_break_it(data):
    for cause in explain(data):
        assert 0 < cause.confidence < 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([line for name in sorted(TRUTH) for line in text_of(name).splitlines()]), max_size=60),
    st.integers(1, 80),
)
def test_any_mixture_of_real_lines_is_read(lines, width):
    explain(mutations.hard_wrapped("\n".join(lines), width))


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (
            "steps",
            lambda: "".join(f"12:00:{i % 60:02d} INFO step {i} error_rate={i}\n" for i in range(250_000)).encode(),
        ),
        ("random bytes", lambda: os.urandom(10_000_000)),
        ("one line", lambda: b"error failed warning " * 480_000),
        ("the beginning of a message", lambda: b"with CUDA capability " * 480_000),
        (
            "tracebacks",
            lambda: b'Traceback (most recent call last):\n  File "/x.py", line 3, in z\nValueError: x\n' * 120_000,
        ),
    ],
)
def test_ten_megabytes_take_about_a_second(kind, make):
    data = make()
    explain("")
    begun = time.process_time()
    explain(data)
    assert time.process_time() - begun < 2.0, kind  # 1 s on a free machine; the test machine is shared
