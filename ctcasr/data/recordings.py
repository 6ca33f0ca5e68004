"""The recordings of utterances: files of their own, or stretches of bytes in a shard."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr import audio
from ctcasr.data.manifest import Utterance
from ctcasr.errors import AudioError, ConfigError


def load_utterance(utterance: Utterance, sample_rate: int) -> npt.NDArray[np.float32]:
    """Read the waveform `(N,)` of an utterance at a rate in Hz.

    Raises:
        AudioError: its recording cannot be read whole.
        ConfigError: it is in a shard, and the folder of temporary files is full.
    """
    with recording(utterance) as path:
        return audio.load(
            path,
            sample_rate,
            offset_seconds=utterance.offset_seconds,
            duration_seconds=utterance.duration_seconds,
        )


@contextmanager
def recording(utterance: Utterance) -> Iterator[Path]:
    """Give the file of an utterance's recording; one in a shard is copied out of it, and goes again afterwards.

    No more than its own bytes is read, wherever in the shard they are. What is raised inside names the shard.

    Raises:
        AudioError: the shard cannot be read.
        ConfigError: the folder of temporary files is full, or is not there.
    """
    if utterance.byte_span is None:
        yield utterance.audio_path
        return
    first, count = utterance.byte_span
    shown = f"{utterance.audio_path} (bytes {first} to {first + count})"
    try:
        with utterance.audio_path.open("rb") as shard:
            shard.seek(first)
            content = shard.read(count)
    except OSError as error:
        raise AudioError(
            f"{shown}: cannot be opened ({error.strerror}), expected a shard; check the path of the folder"
        ) from error
    if len(content) < count:
        raise AudioError(f"{shown}: the shard ends after {first + len(content)} bytes; copy it again")
    with _copied(content, shown) as copy:
        try:
            yield copy
        except AudioError as error:
            raise AudioError(str(error).replace(str(copy), shown)) from error


@contextmanager
def _copied(content: bytes, shown: str) -> Iterator[Path]:
    """Give a temporary file of this content, that of a recording which people know as `shown`."""
    with ExitStack() as stack:
        try:
            copy = Path(stack.enter_context(tempfile.NamedTemporaryFile(prefix="ctcasr-")).name)
            copy.write_bytes(content)
        except OSError as error:
            raise ConfigError(
                f"the folder of temporary files: {shown} cannot be copied there ({error.strerror}), expected room for "
                f"{len(content)} bytes; free some, or set TMPDIR to another folder"
            ) from error
        yield copy
