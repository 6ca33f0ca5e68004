from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from ctcasr.cli.main import main
from ctcasr.runtime import bundle


@dataclass(frozen=True)
class Said:
    """What a command wrote and its exit code."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines of stderr that begin with `error: `."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


@pytest.fixture(autouse=True)
def small_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands without `-m` take the model of letters: it writes without a lexicon, and loads at once."""
    monkeypatch.setattr(bundle, "DEFAULT", "an4")


@pytest.fixture
def ctcasr(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run the command line in this process."""

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as raised:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        code = raised.value.code
        assert code is None or isinstance(code, int)
        return Said(code or 0, said.out, said.err)

    return run
