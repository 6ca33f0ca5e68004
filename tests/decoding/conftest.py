"""What the tests of decoders share."""

from __future__ import annotations

import pytest

from ctcasr.lm import NGramModel, read_arpa
from tests.oracles.small_models import WORD_ARPA


@pytest.fixture(scope="session")
def word_model(tmp_path_factory: pytest.TempPathFactory) -> NGramModel:
    path = tmp_path_factory.mktemp("lm") / "words.arpa"
    path.write_text(WORD_ARPA, encoding="utf-8")
    return read_arpa(path)
