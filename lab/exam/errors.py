"""Errors of the exam; a failure of the lab is never counted as the player's."""

from lab.foundation.errors import LabError


class ExamError(LabError):
    """The exam cannot do this; `./creditlab exam list` shows the exams."""


class ClosedError(ExamError):
    """This evidence is closed in the running exam."""


class FormError(ExamError):
    """The answer form is not filled in correctly; nothing was submitted."""


class VoidError(ExamError):
    """The exam was void before its clock started: a fault was not proven, or it was stopped."""
