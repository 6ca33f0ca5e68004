"""KenLM, where it is installed: pip builds it, which takes a compiler."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

kenlm: Any = import_module("kenlm") if find_spec("kenlm") else None
needs_kenlm = pytest.mark.skipif(kenlm is None, reason="kenlm is not installed (it is built by a compiler)")
