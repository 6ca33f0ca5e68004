"""Streams that go on frame by frame, against the same model heard in windows.

    python scripts/bench_stream.py [--quick] [--json FILE]

A model of AN4's size that reads forward only, with random weights, hears a minute of noise in chunks of 0.1 s. Rows are
seconds of processor time, features, network and greedy decoding together. Exits with 1 if the stream's scores differ
from those of the recording in one piece.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from benchmark_table import Row, arguments, report

from ctcasr.features import FeatureExtractor, FeatureSettings
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.runtime import BundleDescription, Recognizer, read_bundle
from ctcasr.runtime.bundle import DESCRIPTION, FORMAT_VERSION, MODEL_FILES, STREAM_MODEL, TOKENS
from ctcasr.runtime.incremental import STEP_SECONDS, IncrementalRows, StreamNetwork
from ctcasr.text import Vocabulary
from ctcasr.training.onnx_graph import build_stream_graph, write_models

RATE, CHUNK = 16_000, 1_600
TOLERANCE = 1e-3


def make_bundle(folder: Path) -> Path:
    """Write a bundle with random weights."""
    torch.manual_seed(0)
    features = FeatureSettings(sample_rate=RATE, normalization="none")
    settings = ModelSettings(bidirectional=False, hidden=440)
    vocabulary = Vocabulary.from_texts(["abcdefghijklmnopqrstuvwxyz '"])
    model = AcousticModel(settings, features.dimension, len(vocabulary)).eval()
    write_models(model, folder / MODEL_FILES["fp32"], folder / MODEL_FILES["int8"])
    onnx.save(build_stream_graph(model), folder / STREAM_MODEL)
    vocabulary.write(folder / TOKENS)
    description = BundleDescription(
        format_version=FORMAT_VERSION,
        name="random",
        features=features,
        subsampling=settings.subsampling,
        symbols=len(vocabulary),
    )
    (folder / DESCRIPTION).write_text(description.model_dump_json(), encoding="utf-8")
    return folder


def seconds(recognizer: Recognizer, waveform: npt.NDArray[np.float32]) -> float:
    """Return the processor time of a stream of the waveform."""
    started = time.process_time()
    stream = recognizer.stream()
    for begin in range(0, len(waveform), CHUNK):
        stream.feed(waveform[begin : begin + CHUNK])
    stream.finish()
    return time.process_time() - started


def difference(recognizer: Recognizer, waveform: npt.NDArray[np.float32]) -> float:
    """Return how far the stream's scores are from those of the recording in one piece."""
    bundle = recognizer.bundle
    extractor = FeatureExtractor(bundle.description.features)
    rows = IncrementalRows(StreamNetwork(bundle), extractor, bundle, STEP_SECONDS)
    joined = np.concatenate([*rows.push(waveform), *rows.finish()])
    return float(np.abs(joined - recognizer.log_probs(waveform)).max())


def main() -> int:
    """Run the benchmark."""
    options = arguments(__doc__.split("\n")[0])
    samples = RATE * (10 if options.quick else 60)
    waveform = np.float32(0.1) * np.random.default_rng(0).standard_normal(samples, np.float32)
    with tempfile.TemporaryDirectory() as name:
        bundle = read_bundle(make_bundle(Path(name)))
        frame_by_frame = Recognizer(bundle, "fp32")
        wrong = difference(frame_by_frame, waveform)
        ours = [seconds(frame_by_frame, waveform) for _ in range(3)]
        (bundle.folder / STREAM_MODEL).unlink()
        theirs = {
            precision: [seconds(Recognizer(bundle, precision), waveform) for _ in range(3)]
            for precision in ("fp32", "int8")
        }
    minutes = len(waveform) / RATE / 60
    rows = [
        Row(
            "a minute of sound",
            sorted(ours)[1] / minutes,
            f"windows, {precision}",
            sorted(found)[1] / minutes,
            "s",
            sorted(found)[1] / sorted(ours)[1],
        )
        for precision, found in theirs.items()
    ]
    report(rows, options.json)
    print(f"largest difference from the recording in one piece: {wrong:.1e}", file=sys.stderr)
    return int(wrong > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
