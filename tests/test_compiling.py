"""What is compiled is what the sources say, even if only the file of a called kernel has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONSTANTS = """
STEP = {step}
"""
INNER = """
from ctcasr.compiling import kernel

@kernel
def inner(number):
    return number + {added}
"""
OUTER = """
from ctcasr.compiling import kernel
from parts import inner as parts_inner
from parts.constants import (
    STEP,
)
inner = parts_inner.inner

@kernel
def outer(number):
    return STEP * inner(number)
"""


def run(folder: Path) -> tuple[str, int]:
    """What `outer(1)` returns in a new process, and how many functions were read from the cache."""
    code = "from parts.outer import outer; print(outer(1), sum(outer.stats.cache_hits.values()))"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{folder}"},
        capture_output=True,
        text=True,
        check=True,
    )
    result, hits = finished.stdout.split()
    return result, int(hits)


@pytest.mark.slow
def test_a_change_in_another_file_is_compiled_in(tmp_path: Path) -> None:
    package = tmp_path / "parts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text(OUTER)
    (package / "inner.py").write_text(INNER.format(added=1))
    (package / "constants.py").write_text(CONSTANTS.format(step=10))
    assert run(tmp_path) == ("20", 0)
    assert run(tmp_path) == ("20", 1)
    (package / "inner.py").write_text(INNER.format(added=2))
    assert run(tmp_path) == ("30", 0)
    (package / "constants.py").write_text(CONSTANTS.format(step=100))
    assert run(tmp_path) == ("300", 0)


KINDS = """
import numpy as np
from ctcasr.compiling import bare_kernel, kernel

@bare_kernel
def total(numbers):
    found = 0.0
    for number in numbers:
        found += np.exp(number)
    return found

@kernel
def doubled(numbers):
    if len(numbers) == 0:
        raise ValueError("nothing to double")
    made = np.empty(len(numbers))
    for place in range(len(numbers)):
        made[place] = 2 * numbers[place]
    return made, np.sort(made)[::-1].copy()
"""
ASK = """
import sys
import numpy as np
from kinds import doubled, total
numbers = np.array([1.0, 3.0, 2.0])
print(round(total(numbers), 6), *(array.tolist() for array in doubled(numbers)))
try:
    doubled(numbers[:0])
except ValueError as error:
    print(error)
print(sum(doubled.stats.cache_hits.values()), any(name.startswith("numba.np.linalg") for name in sys.modules))
"""


@pytest.mark.slow
def test_what_is_loaded_does_what_was_compiled_without_the_compilers_tables(tmp_path: Path) -> None:
    (tmp_path / "kinds.py").write_text(KINDS)
    said = [
        subprocess.run(
            [sys.executable, "-c", ASK],
            cwd=tmp_path,
            env={"PYTHONPATH": f"{Path(__file__).parents[1]}:{tmp_path}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert said[0][:2] == said[1][:2] == [
        "30.192875 [2.0, 6.0, 4.0] [6.0, 4.0, 2.0]",
        "nothing to double",
    ]  # fmt: skip
    assert said[0][2].startswith("0 ")
    assert said[1][2] == "1 False"


@pytest.mark.slow
def test_no_folder_for_the_cache_is_no_obstacle(tmp_path: Path) -> None:
    code = "from ctcasr.decoding.survival import kth_largest\nimport numpy\n"
    code += "print(kth_largest(numpy.array([1.0, 3.0]), 2, 1))"
    finished = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "NUMBA_CACHE_LOCATOR_CLASSES": "InTreeZip"},
        capture_output=True,
        text=True,
    )
    assert (finished.stdout, finished.stderr) == ("3.0\n", "")
