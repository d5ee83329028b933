"""The doctor says in words what is missing, and how to get it."""

import logging

import pytest

from envs import doctor
from perception.errors import InputError


def test_what_is_there_and_what_is_missing_is_said_in_a_line_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing() -> str:
        raise InputError("No OpenGL here (egl: no library). On Debian: apt-get install this")

    parts = {**doctor.PARTS, "OpenGL (textured pictures)": (missing, True)}
    monkeypatch.setattr(doctor, "PARTS", parts)
    monkeypatch.setattr("envs.doctor.find_spec", lambda name: None if name == "minari" else name)
    with caplog.at_level(logging.INFO):
        doctor.main()
    said = {line[:33].strip(): line[33:] for line in caplog.messages[:-1]}
    assert list(said) == list(parts)
    assert said["OpenGL (textured pictures)"] == "missing: No OpenGL here (egl: no library)"
    assert (
        said["other projects' files"] == "missing: minari; pip install -e '.[convert]' brings them"
    )
    assert said["compiled loops"].startswith("kept in ")
    assert "apt-get install" in caplog.messages[-1]
