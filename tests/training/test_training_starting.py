"""Where a network starts: from a run, from a bundle, with the same outputs or with others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch

from ctcasr.errors import BundleError, ConfigError
from ctcasr.models.settings import Cell
from ctcasr.runtime import bundled_names, find_bundle
from ctcasr.training.config_files import read_config
from ctcasr.training.export import export_bundle
from ctcasr.training.loop import Trainer
from ctcasr.training.tensor_files import read_tensors
from tests.training.conftest import TEXTS

Corpus = Callable[..., Path]
TUNED = ["run.start_from=bundle", "run.folder=tuned"]


def averaged(folder: Path) -> dict[str, torch.Tensor]:
    return read_tensors(folder / "checkpoints" / "averaged.safetensors")


def finished(config: Path, *overrides: str) -> Path:
    """Train, and return the folder of the run."""
    settings = read_config(config, overrides)
    Trainer(settings).run()
    return settings.run.folder


def started(config: Path, *overrides: str) -> dict[str, torch.Tensor]:
    """Return the weights that a run begins with."""
    return Trainer(read_config(config, overrides)).network.state_dict()


def test_fine_tuning_goes_on_from_another_run(corpus: Corpus) -> None:
    config = corpus()
    weights = averaged(finished(config))
    ours = started(config, "run.start_from=run", "run.folder=tuned")
    assert ours.keys() == weights.keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in ours.items())


@pytest.mark.slow
@pytest.mark.parametrize("cell", sorted(set(get_args(Cell)) - {"scrn"}))
def test_a_bundle_has_the_weights_of_its_run(corpus: Corpus, tmp_path: Path, cell: str) -> None:
    own = {"clockwork": {"model__clock_modules": 4}, "lstmp": {"model__projection": 8}}.get(cell, {})
    config = corpus(
        model__cell=cell, model__layers=2, model__batch_norm=cell == "lstm", optimizer__epochs=1, **own
    )
    run = finished(config)
    export_bundle(run, tmp_path / "bundle")
    weights = averaged(run)
    ours = started(config, *TUNED)
    for name, tensor in ours.items():
        if cell == "clockwork" and "weight_hh" in name:
            known = tensor != 0  # the others are masked: nothing depends on them
            assert known.float().mean() > 0.5
            assert torch.equal(tensor[known], weights[name][known])
        else:
            assert torch.equal(tensor, weights[name]), name


def test_a_bundle_of_int8_has_nearly_the_weights_of_its_run(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus(model__layers=2)
    run = finished(config)
    export_bundle(run, tmp_path / "bundle", int8_only=True)
    weights = averaged(run)
    for name, tensor in started(config, *TUNED).items():
        quantised = re.search(r"weight_(ih|hh)|output\.weight", name)
        error = (tensor - weights[name]).abs().max() / weights[name].abs().max()
        assert error <= (1 / 127 if quantised else 0), name
        assert quantised is None or error > 0


def test_the_graph_of_scrn_does_not_have_its_weights(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus(model__cell="scrn", model__slow_units=4, optimizer__epochs=1)
    export_bundle(finished(config), tmp_path / "bundle")
    with pytest.raises(ConfigError, match=r"'scrn' cannot be read back from a bundle; give run\.start_from"):
        started(config, *TUNED)


@pytest.mark.slow
def test_other_units_get_outputs_of_their_own(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus()
    run = finished(config)
    export_bundle(run, tmp_path / "bundle", name="tones")
    (tmp_path / "phones.txt").write_text("".join(f"{text} A{text}\n" for text in TEXTS), encoding="utf-8")
    phones = ["text.units=phone", "text.lexicon=phones.txt"]
    for start in ("run", "bundle"):
        ours = started(config, f"run.start_from={start}", "run.folder=tuned", *phones)
        for name, tensor in averaged(run).items():
            if not name.startswith("output."):
                assert torch.equal(tensor, ours[name]), name
        assert ours["output.bias"].shape == (13,)
    finished(config, *TUNED, *phones)


def test_another_number_of_pieces_is_other_units(corpus: Corpus) -> None:
    config = corpus(optimizer__epochs=1)
    pieces = ["text.units=bpe", "text.pieces=14"]
    run = finished(config, *pieces)
    again = ["run.start_from=run", "run.folder=tuned"]
    assert torch.equal(started(config, *pieces, *again)["output.weight"], averaged(run)["output.weight"])
    assert len(started(config, "text.units=bpe", "text.pieces=16", *again)["output.bias"]) == 17


def test_a_dictionary_may_have_other_words(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1)
    (tmp_path / "phones.txt").write_text("".join(f"{text} A{text}\n" for text in TEXTS), encoding="utf-8")
    run = finished(config, "text.units=phone", "text.lexicon=phones.txt")
    more = "".join(f"{text} A{text}\n" for text in TEXTS) + f"new A{TEXTS[0]} A{TEXTS[-1]}\n"
    (tmp_path / "more.txt").write_text(more, encoding="utf-8")
    tuned = ["run.start_from=run", "run.folder=tuned", "text.units=phone", "text.lexicon=more.txt"]
    assert torch.equal(started(config, *tuned)["output.weight"], averaged(run)["output.weight"])
    assert "new" in (finished(config, *tuned) / "lexicon.txt").read_text(encoding="utf-8")
    (tmp_path / "more.txt").write_text(more + "other OTHER\n", encoding="utf-8")
    assert (
        len(started(config, *tuned, "run.folder=other")["output.bias"])
        == len(averaged(run)["output.bias"]) + 1
    )


def test_frames_get_outputs_of_their_own(corpus: Corpus, tmp_path: Path) -> None:
    config = corpus(model__subsampling=2)
    run = finished(config)
    export_bundle(run, tmp_path / "bundle")
    frames = ["optimizer.objective=frames", "frames.aligner=bundle"]
    ours = started(config, *TUNED, *frames)
    assert torch.equal(ours["layers.0.norm.weight"], averaged(run)["layers.0.norm.weight"])
    assert len(ours["output.bias"]) != len(averaged(run)["output.bias"]) or not torch.equal(
        ours["output.weight"], averaged(run)["output.weight"]
    )


@pytest.mark.slow
def test_the_package_has_bundles_to_start_from(corpus: Corpus, tmp_path: Path) -> None:
    assert "an4" in bundled_names()
    features = {"features__sample_rate": 16000, "features__mel_bins": 80}
    an4 = {"subsampling": 4, "channels": 32, "layers": 3, "hidden": 256}
    config = corpus(**features, **{f"model__{name}": value for name, value in an4.items()})
    assert read_config(config, ["run.start_from=an4"]).run.start_from == find_bundle("an4")
    by_frames = read_config(config, ["optimizer.objective=frames", "frames.aligner=an4"])
    assert by_frames.frames.aligner == find_bundle("an4")
    ours = started(config, "run.start_from=an4")
    assert len(ours["output.bias"]) == 28
    (tmp_path / "an4").mkdir()  # a folder beside the configuration comes first
    with pytest.raises(ConfigError, match="must be the folder of a finished run"):
        started(config, "run.start_from=an4")


class TestRefused:
    def test_what_is_neither_a_run_nor_a_bundle(self, corpus: Corpus) -> None:
        with pytest.raises(ConfigError, match="must be the folder of a finished run, a bundle, or the name"):
            started(corpus(), "run.start_from=nothing")

    def test_other_features(self, corpus: Corpus, tmp_path: Path) -> None:
        config = corpus()
        export_bundle(finished(config), tmp_path / "bundle")
        for start in ("run", "bundle"):
            with pytest.raises(ConfigError, match=r"preemphasis = 0\.0, and here 0\.9"):
                started(config, f"run.start_from={start}", "run.folder=b", "features.preemphasis=0.9")

    def test_another_shape(self, corpus: Corpus, tmp_path: Path) -> None:
        config = corpus()
        export_bundle(finished(config), tmp_path / "bundle")
        for setting in ("model.hidden=8", "model.layers=2", "model.cell=gru"):
            with pytest.raises(ConfigError, match=r"is not the network of this configuration's \[model\]"):
                started(config, *TUNED, setting)

    def test_a_damaged_network(self, corpus: Corpus, tmp_path: Path) -> None:
        config = corpus()
        export_bundle(finished(config), tmp_path / "bundle")
        for path in (tmp_path / "bundle").glob("*.onnx"):
            path.write_bytes(path.read_bytes()[:1000])
        with pytest.raises(BundleError, match=r"model\.onnx: cannot be read"):
            started(config, *TUNED)
