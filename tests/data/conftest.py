"""Fixtures of the data tests: the command line of the other tests."""

from tests.cli.conftest import ctcasr

__all__ = ["ctcasr"]
