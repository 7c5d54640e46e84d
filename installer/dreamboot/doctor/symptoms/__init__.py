"""A log → its causes, best first."""

from __future__ import annotations

from dreamboot.doctor.symptoms.base import Cause, Explanation, Level, Symptom
from dreamboot.doctor.symptoms.explain import examine, explain
from dreamboot.doctor.symptoms.registry import symptoms

__all__ = ["Cause", "Explanation", "Level", "Symptom", "examine", "explain", "symptoms"]
