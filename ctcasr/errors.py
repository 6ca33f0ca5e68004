"""The errors that ctcasr raises on purpose.

    CtcAsrError          base: catch this to catch them all
    ├── ConfigError      a configuration file, an option or a combination of settings is wrong
    ├── DataError        a manifest, a transcript or a vocabulary is wrong
    ├── AudioError       an audio file cannot be read or holds no usable sound
    ├── BundleError      a model bundle is missing something, has a wrong version or wrong shapes
    └── RunError         a training cannot go on: its disk or its memory is full

Every message is one sentence that says what was found, where, what was expected and what to do. The command
line prints it without a traceback (`--debug` shows it).
"""

from __future__ import annotations


class CtcAsrError(Exception):
    """Base of every error that a user of ctcasr can cause and mend."""


class ConfigError(CtcAsrError):
    """A configuration file, an option or a combination of settings is wrong."""


class DataError(CtcAsrError):
    """A manifest, a transcript or a vocabulary is wrong."""


class AudioError(CtcAsrError):
    """An audio file cannot be read, or holds no usable sound."""


class BundleError(CtcAsrError):
    """A model bundle is incomplete, of an unknown version, or inconsistent."""


class RunError(CtcAsrError):
    """A training cannot go on, by no fault of its data or settings: its disk or its memory is full."""
