from __future__ import annotations

from pathlib import Path

import pytest

from ctcasr.errors import ConfigError
from ctcasr.training.run_folder import STATISTICS, read_statistics


def test_a_run_without_global_statistics_has_none(tmp_path: Path) -> None:
    assert read_statistics(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"mean": [0.0]}'])
def test_damaged_statistics_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STATISTICS).write_bytes(content)
    with pytest.raises(ConfigError, match=STATISTICS):
        read_statistics(tmp_path)
