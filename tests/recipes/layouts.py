"""What the tests of all recipes need: scripts as modules, tiny corpora, manifests as plain JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

ROOT = Path(__file__).parents[2]

Rows = list[dict[str, Any]]


def load_recipe(name: str, script: str = "prepare") -> ModuleType:
    """Import `recipes/NAME/SCRIPT.py`, which is a script and no part of a package."""
    full_name = f"recipe_{name}_{script}"
    spec = importlib.util.spec_from_file_location(full_name, ROOT / "recipes" / name / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[full_name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def run(recipe: ModuleType, *arguments: object) -> int:
    """Call a recipe's `main` with a command line and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["prepare.py", *map(str, arguments)])
        code: int = recipe.main()
    return code


def refusal(capsys: pytest.CaptureFixture[str], recipe: ModuleType, *arguments: object) -> str:
    """Run a recipe that has to fail, and return its one line of complaint."""
    capsys.readouterr()
    assert run(recipe, *arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def corpus(name: str) -> Path:
    """Return the folder of a real corpus, or skip the test."""
    folder = ROOT.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the corpus {name} is not beside the checkout (../shared/data/{name})")
    return folder


def rows(path: Path) -> Rows:
    """Read a manifest without the library that wrote it."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def parts(folder: Path) -> tuple[Rows, Rows, Rows]:
    """Return the rows of train, dev and test, after checking what holds for every recipe."""
    train, dev, test = (rows(folder / f"{name}.jsonl") for name in ("train", "dev", "test"))
    ids = [row["id"] for row in train + dev + test]
    assert len(set(ids)) == len(ids)
    files = [(folder / row["audio_filepath"]).resolve() for row in train + dev + test]
    assert len(set(files)) == len(files)
    for file, row in zip(files, train + dev + test, strict=True):
        assert sf.info(file).duration == pytest.approx(row["duration"], abs=1e-6)
    return train, dev, test


def samples(seed: int, count: int = 800) -> npt.NDArray[np.int16]:
    """Make 16-bit noise over the whole range, a different one for each seed."""
    return np.random.default_rng(seed).integers(-32768, 32768, count).astype(np.int16)


def write_wav(path: Path, seed: int = 0, count: int = 800, sample_rate: int = 8000) -> None:
    """Write a short recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, samples(seed, count), sample_rate, subtype="PCM_16")
