"""The example in docs/decoding.md runs as it stands; the defaults in docs/ctc.md are those of the settings."""

import re
from pathlib import Path

import numpy as np
import pytest

from ctcasr import lm
from ctcasr.decoding import HmmSettings

DOCS = Path(__file__).parents[2] / "docs" / "decoding.md"


def test_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 1
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("go north\ngo on\nnorth\n", encoding="utf-8")
    counts = lm.count_ngrams([Path("text.txt")], lm.CountSettings())
    lm.save(lm.NGramModel.from_tables(lm.kneser_ney(counts)), Path("words.npz"))
    rows = np.full((40, 28), 0.01)
    rows[:, 0] = 5.0
    for place, letter in enumerate("go north"):  # a letter on every fourth frame
        rows[4 * place + 2, 1 if letter == " " else ord(letter) - ord("a") + 2] = 50.0
    log_probs = np.log(rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    exec(compile(examples[0], str(DOCS), "exec"), {"log_probs": log_probs})
    lines = capsys.readouterr().out.splitlines()
    assert re.findall(r"text='(\w+)'", lines[0]) == ["go", "north"]
    assert re.findall(r"text='(\w+)'", lines[-1]) == ["go", "north"]
    assert re.findall(r"text='(\w+)'", lines[-9]) == ["go"]


@pytest.mark.parametrize("name", HmmSettings.model_fields)
def test_the_hmms_defaults(name: str) -> None:
    row = re.search(rf"\| `{name}` \| (\S+) \|", DOCS.with_name("ctc.md").read_text(encoding="utf-8"))
    assert row is not None
    assert float(row[1]) == HmmSettings.model_fields[name].default
