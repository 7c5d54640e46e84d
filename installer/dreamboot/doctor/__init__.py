"""The doctor: facts of an environment, checks over them, symptoms in logs, and repairs that are proven."""

from __future__ import annotations

from dreamboot.doctor.symptoms import Cause, explain

__all__ = ["Cause", "explain"]
