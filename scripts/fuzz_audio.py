"""Damage audio files and read them: each gives sound or one sentence, and memory stays bounded.

    python scripts/fuzz_audio.py [--files 10000] [--seed 0]

Bits are flipped, stretches cut out, doubled or overwritten, headers made to lie, and some files are random bytes
behind a true beginning. m4a, webm, mkv and aac are among them where the `media` extra is installed. Each is transcribed
by the command's own pipeline, with the bundled model. Exits with 1 if a file raises anything, takes longer than ten
seconds, or if the process needs more than 1.5 GB.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from ctcasr.runtime import Recognizer, find_bundle

KINDS = ("wav", "flac", "ogg", "opus", "mp3", "aiff", "float.wav")
MEDIA_KINDS = {"m4a": "aac", "webm": "libopus", "mkv": "aac", "aac": "aac"}
"""Codec of each format that PyAV writes and reads."""
LONGEST_SECONDS = 10.0
MOST_MEGABYTES = 1500
HEAD = 100


def originals(folder: Path) -> dict[str, bytes]:
    """Write the sample in each format, and return the bytes."""
    waveform, rate = sf.read(find_bundle(None).parent / "sample.wav")
    found = {}
    for kind in KINDS:
        path = folder / f"original.{kind}"
        opus = {"format": "OGG", "subtype": "OPUS", "samplerate": 24000} if kind == "opus" else {}
        options = {"samplerate": rate} | ({"subtype": "FLOAT"} if kind == "float.wav" else {}) | opus
        sf.write(path, waveform, **options)
        found[kind] = path.read_bytes()
    if find_spec("av") is not None:
        found |= {kind: media_file(folder / f"original.{kind}", waveform, rate) for kind in MEDIA_KINDS}
    return found


def media_file(path: Path, waveform: npt.NDArray[np.float64], rate: int) -> bytes:
    """Write a waveform `(N,)` as the path's suffix says, and return the bytes."""
    import av

    with av.open(
        str(path), "w", format={"m4a": "ipod", "mkv": "matroska", "aac": "adts"}.get(path.suffix[1:])
    ) as file:
        stream: Any = file.add_stream(MEDIA_KINDS[path.suffix[1:]], rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(waveform.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return path.read_bytes()


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """Change a file in one to seven places; half of them lie in its head, where lengths and rates stand."""
    changed = bytearray(content)
    for _ in range(generator.integers(1, 8)):
        reach = min(len(changed), HEAD) if generator.random() < 0.5 else len(changed)
        place, length = int(generator.integers(0, max(1, reach))), int(generator.integers(1, 20))
        kind = int(generator.integers(0, 6))
        if kind == 0 and changed:
            changed[place] ^= 1 << int(generator.integers(0, 8))
        elif kind == 1:
            changed[place : place + length] = generator.bytes(length)
        elif kind == 2:
            del changed[place : place + length]
        elif kind == 3:
            changed[place:place] = changed[place : place + length]
        elif kind == 4:
            changed[place : place + 4] = bytes(generator.choice([0, 0x7F, 0x80, 0xFF], 4).astype(np.uint8))
        else:
            del changed[int(generator.integers(0, len(changed) + 1)) :]
    return bytes(changed)


def main() -> int:
    """Run the fuzzer."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    recognizer = Recognizer.load("an4")
    generator = np.random.default_rng(options.seed)
    outcomes: Counter[str] = Counter()
    slowest, wrong = 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        contents = originals(folder)
        beginnings = [content[: int(generator.integers(4, 60))] for content in contents.values()]
        for kind in contents:
            undamaged = next(recognizer.transcribe([folder / f"original.{kind}"], threads=1))
            if undamaged.error:
                raise SystemExit(f"{undamaged.error}: it is not damaged yet")
        kinds = (*contents, "random")
        for number in range(options.files):
            kind = kinds[number % len(kinds)]
            if kind == "random":
                begin = beginnings[int(generator.integers(0, len(beginnings)))]
                content = begin + generator.bytes(int(generator.integers(0, 20_000)))
            else:
                content = mutated(contents[kind], generator)
            path = folder / "audio"
            path.write_bytes(content)
            started = time.perf_counter()
            try:
                transcript = next(recognizer.transcribe([path], threads=1))
            except Exception as error:  # whatever it is, it is what is looked for
                print(f"file {number} ({kind}): {type(error).__name__}: {error}")
                wrong += 1
                continue
            seconds = time.perf_counter() - started
            slowest = max(slowest, seconds)
            if seconds > LONGEST_SECONDS or (
                transcript.error and not transcript.error.startswith(f"{path}: ")
            ):
                print(f"file {number} ({kind}): {seconds:.1f} s, {transcript.error or 'read'}")
                wrong += 1
            outcomes["refused" if transcript.error else "read"] += 1
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    print(
        f"{options.files} files: {counts}, {wrong} wrong; slowest {slowest:.2f} s, {megabytes:.0f} MB resident"
    )
    return int(wrong > 0 or megabytes > MOST_MEGABYTES)


if __name__ == "__main__":
    sys.exit(main())
