r"""The file of a compiled model, `lm.npz`, whose arrays are mapped into memory and not read.

The file is a zip archive of `.npy` members, as `numpy.savez` writes it and `numpy.load` reads it. Here the data
of each member besides begin at a multiple of 64 bytes: a private field in the zip header of the member fills
the gap, and a `.npy` header is itself a multiple of 64 bytes long.

    format     (1,) int32, the version of this description: 1
    order      (1,) int32
    words      (B,) uint8, UTF-8, the words in the order of their ids, each ended by \n
    keys ...   the arrays of `NGramArrays`, by their names
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ctcasr.compiling import bare_kernel
from ctcasr.errors import DataError
from ctcasr.lm.automaton import EMPTY_KEY, WORD_BITS, NGramArrays, slot_of
from ctcasr.lm.files import replacing
from ctcasr.lm.model import NGramModel
from ctcasr.lm.tables import END, MOST_WORDS

FORMAT_VERSION = 1
ALIGNMENT = 64
MAGIC = b"PK\x03\x04"

_KINDS: dict[str, np.dtype[np.generic]] = {
    "format": np.dtype(np.int32),
    "order": np.dtype(np.int32),
    "words": np.dtype(np.uint8),
    "keys": np.dtype(np.int64),
    "log_probs": np.dtype(np.float32),
    "next_states": np.dtype(np.int32),
    "backoffs": np.dtype(np.float32),
    "backoff_states": np.dtype(np.int32),
    "unknown": np.dtype(np.int32),
}
_LOCAL_HEADER_BYTES = 30
_ZIP64_FIELD_BYTES = 20
_PADDING_FIELD = 0x6374  # "ct"; no registered field has this number
_CHANGED_AT = (1980, 1, 1, 0, 0, 0)  # the same model makes the same file


def save(model: NGramModel, path: Path) -> None:
    """Write a model to a file, which appears whole or not at all.

    Raises:
        ConfigError: the file cannot be made there.
    """
    words = np.frombuffer("".join(f"{word}\n" for word in model.words).encode(), np.uint8)
    members: dict[str, npt.NDArray[np.generic]] = {
        "format": np.array([FORMAT_VERSION], np.int32),
        "order": np.array([model.order], np.int32),
        "words": words,
        **model.arrays._asdict(),
    }
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in members.items():
            info = zipfile.ZipInfo(f"{name}.npy", _CHANGED_AT)
            begin = file.tell() + _LOCAL_HEADER_BYTES + len(info.filename) + _ZIP64_FIELD_BYTES + 4
            info.extra = struct.pack("<HH", _PADDING_FIELD, -begin % ALIGNMENT) + bytes(-begin % ALIGNMENT)
            with archive.open(info, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)


def load(path: Path) -> NGramModel:
    """Map a model's file into memory; the file must not be changed while the model lives.

    Every byte is compared with the checksums of the archive, and every number that a kernel follows is checked.

    Raises:
        DataError: the file cannot be read, is not such a file, has another version, or is damaged.
    """
    try:
        content = np.memmap(path, np.uint8, "r").view(np.ndarray)
        with zipfile.ZipFile(path) as archive:
            members = {
                info.filename.removesuffix(".npy"): _member(content, info) for info in archive.infolist()
            }
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        struct.error,
        zipfile.BadZipFile,
        NotImplementedError,
    ) as error:
        raise DataError(
            f"{path}: cannot be read as a model written by ctcasr ({error}); make it anew"
        ) from error
    wrong = sorted(
        name
        for name, kind in _KINDS.items()
        if name not in members
        or members[name].dtype != kind
        or members[name].ndim != 1
        or not members[name].size
    )
    version = members["format"][0] if "format" in members and "format" not in wrong else None
    if version is not None and version != FORMAT_VERSION:
        raise DataError(
            f"{path}: has format {version}, expected {FORMAT_VERSION}; make it anew with this version of ctcasr"
        )
    if wrong:
        raise DataError(
            f"{path}: has no {wrong[0]}, or not in the expected form; make it anew from the ARPA model"
        )
    return _checked_model(members, path)


def _member(content: npt.NDArray[np.uint8], info: zipfile.ZipInfo) -> npt.NDArray[np.generic]:
    """Return the array of an archive's member as a view of the file's content."""
    start = info.header_offset
    name_bytes, extra_bytes = struct.unpack(
        "<HH", content[start + 26 : start + _LOCAL_HEADER_BYTES].tobytes()
    )
    start += _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    data = content[start : start + info.file_size]
    if info.compress_type != zipfile.ZIP_STORED or len(data) != info.file_size:
        raise ValueError(f"{info.filename} is compressed or cut short")
    if zlib.crc32(data.data) != info.CRC:
        raise ValueError(f"the checksum of {info.filename} is wrong")
    if data[:8].tobytes() != np.lib.format.magic(1, 0):
        raise ValueError(f"{info.filename} is not in the first version of the npy format")
    header_bytes = 10 + int.from_bytes(data[8:10].tobytes(), "little")
    shape, columns_first, kind = np.lib.format.read_array_header_1_0(
        io.BytesIO(data[8:header_bytes].tobytes())
    )
    if kind.hasobject or (columns_first and len(shape) > 1):
        raise ValueError(f"{info.filename} holds Python objects or columns")
    array = data[header_bytes:].view(kind).reshape(shape)
    if not array.flags.aligned:  # numpy.savez has written it
        array = array.copy()
        array.setflags(write=False)
    return array


def _checked_model(members: dict[str, npt.NDArray[np.generic]], path: Path) -> NGramModel:
    arrays = NGramArrays(**{name: members[name] for name in NGramArrays._fields})  # type: ignore[arg-type]
    try:
        words = tuple(members["words"].tobytes().decode().split("\n")[:-1])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: its words are not UTF-8 ({error.reason}); make it anew") from error
    slots = len(arrays.keys)
    fitting = (
        slots & (slots - 1) == 0
        and len(arrays.log_probs) == len(arrays.next_states) == slots
        and len(arrays.backoffs) == len(arrays.backoff_states)
        and len(words) <= MOST_WORDS
        and END in words
    )
    if not fitting or not _sound(arrays, len(words)):
        raise DataError(f"{path}: its arrays contradict each other; make it anew from the ARPA model")
    return NGramModel(words, int(members["order"][0]), arrays)


@bare_kernel
def _sound(model: NGramArrays, words: int) -> bool:
    """Return whether no search in the automaton can leave its arrays, run for ever, or meet a NaN."""
    states = len(model.backoffs)
    empty = 0
    for slot in range(len(model.keys)):
        key = model.keys[slot]
        if key == EMPTY_KEY:
            empty += 1
        elif not (0 <= key >> WORD_BITS < states and key & ((1 << WORD_BITS) - 1) < words):
            return False
        if not (0 <= model.next_states[slot] < states and model.log_probs[slot] <= 0):
            return False
    if empty == 0 or model.backoff_states[0] != 0 or not 0 <= model.unknown[0] < words:
        return False
    for state in range(states):
        if not (0 <= model.backoff_states[state] < max(state, 1) and np.isfinite(model.backoffs[state])):
            return False
    return bool(model.keys[slot_of(model.keys, np.int64(model.unknown[0]))] != EMPTY_KEY)
