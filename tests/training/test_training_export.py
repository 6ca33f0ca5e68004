"""Export: the bundle that a run becomes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ctcasr.cli.main import main
from ctcasr.errors import ConfigError, CtcAsrError
from ctcasr.features import FeatureSettings
from ctcasr.models import AcousticModel, ModelSettings
from ctcasr.runtime import Recognizer, read_bundle
from ctcasr.text import Vocabulary
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config import DataSettings, RunSettings, TrainingConfig
from ctcasr.training.export import export_bundle
from ctcasr.training.records import CONFIG, METRICS, SUMMARY
from ctcasr.training.run_folder import CHECKPOINTS, TOKENS, write_run
from ctcasr.training.tensor_files import write_tensors

Noise = Callable[..., npt.NDArray[np.float32]]


def small_model(
    subsampling: int, bins: int, *, seed: int = 0, symbols: int = 9, **fields: object
) -> AcousticModel:
    """Return a model of two layers of 16 cells with biases that are not zero."""
    torch.manual_seed(seed)
    settings = {"subsampling": subsampling, "channels": 4, "layers": 2, "hidden": 16} | fields
    model = AcousticModel(ModelSettings(**settings), bins, symbols)  # type: ignore[arg-type]
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def make_run(folder: Path, *, seed: int = 0, normalization: str = "utterance", **fields: object) -> Path:
    """Write a finished run as the trainer names its files, without training; `fields` are of its model."""
    shape = {"subsampling": 4, "channels": 4, "layers": 2, "hidden": 16} | fields
    config = TrainingConfig(
        data=DataSettings(train=folder.parent / "train.jsonl", dev=folder.parent / "dev.jsonl"),
        features=FeatureSettings(sample_rate=8000, mel_bins=20, normalization=normalization),  # type: ignore[arg-type]
        model=ModelSettings(**shape),  # type: ignore[arg-type]
        run=RunSettings(folder=folder, seed=seed),
    )
    vocabulary = Vocabulary.from_texts(["abc def"])
    write_run(config, lambda run: vocabulary.write(run / TOKENS))
    (folder / CHECKPOINTS).mkdir()
    write_tensors(
        folder / CHECKPOINTS / AVERAGED,
        small_model(4, 20, seed=seed, symbols=len(vocabulary), **fields).state_dict(),
    )
    records = [
        {"epoch": epoch, "train_loss": 3.0, "dev_loss": 2.0, "dev_wer": 0.5, "dev_cer": 0.25, "seconds": 6.0}
        for epoch in (1, 2, 3)
    ]
    (folder / METRICS).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    (folder / SUMMARY).write_text(json.dumps({"dev_wer": 0.125, "dev_cer": 0.0625}), encoding="utf-8")
    return folder


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


class TestExportBundle:
    def test_the_bundle_describes_the_run(self, finished_run: Path, tmp_path: Path) -> None:
        line = {"audio_filepath": "a.wav", "duration": 5400.04, "text": "abc"}
        (tmp_path / "train.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
        export_bundle(finished_run, tmp_path / "out" / "mine", licence="CC0-1.0")
        bundle = read_bundle(tmp_path / "out" / "mine")
        assert bundle.description.name == "mine"
        assert bundle.description.licence == "CC0-1.0"
        assert bundle.description.features == FeatureSettings(sample_rate=8000, mel_bins=20)
        assert bundle.vocabulary == Vocabulary.from_texts(["abc def"])
        training = bundle.description.training
        assert training is not None
        assert (training.epochs, training.seed) == (3, 0)
        assert (training.train_utterances, training.train_seconds) == (1, 5400.0)
        assert (training.dev_wer, training.dev_cer) == (0.125, 0.0625)
        card = (tmp_path / "out" / "mine" / "README.md").read_text(encoding="utf-8")
        assert "WER 12.50 %, CER 6.25 %" in card
        assert "1.50 hours" in card
        assert "CC0-1.0" in card

    def test_the_bundle_scores_as_the_run_does(
        self, finished_run: Path, tmp_path: Path, noise: Noise
    ) -> None:
        export_bundle(finished_run, tmp_path / "bundle")
        recognizer = Recognizer.load(tmp_path / "bundle", "fp32")
        from ctcasr.features.torch_reader import BatchFeatureExtractor

        waveform = torch.from_numpy(noise(4))[None]
        extractor = BatchFeatureExtractor(recognizer.bundle.description.features)
        with torch.no_grad():
            expected, _ = small_model(4, 20, symbols=8)(
                *extractor(waveform, torch.tensor([waveform.shape[1]]))
            )
        np.testing.assert_allclose(recognizer.log_probs(noise(4)), expected[0].numpy(), rtol=0, atol=2e-3)

    def test_a_name_of_its_own(self, finished_run: Path, tmp_path: Path) -> None:
        assert export_bundle(finished_run, tmp_path / "bundle", name="other").name == "other"
        assert read_bundle(tmp_path / "bundle").description.name == "other"

    def test_int8_only_leaves_fp32_out(self, finished_run: Path, tmp_path: Path) -> None:
        export_bundle(finished_run, tmp_path / "bundle", int8_only=True)
        assert sorted(path.name for path in (tmp_path / "bundle").iterdir()) == [
            "README.md", "bundle.json", "model.int8.onnx", "tokens.txt",
        ]  # fmt: skip
        assert Recognizer.load(tmp_path / "bundle").precision == "int8"

    def test_a_model_that_reads_forward_gets_a_network_for_streams(
        self, tmp_path: Path, noise: Noise
    ) -> None:
        run = make_run(tmp_path / "run", normalization="none", cell="gru", bidirectional=False)
        export_bundle(run, tmp_path / "bundle")
        assert sorted(path.name for path in (tmp_path / "bundle").glob("*.onnx")) == [
            "model.onnx", "model.stream.onnx",
        ]  # fmt: skip
        card = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
        assert "2 GRU layers of 16 cells that read forward, CTC" in card
        recognizer = Recognizer.load(tmp_path / "bundle")
        assert recognizer.precision == "fp32"
        assert recognizer.stream().latency_seconds < 0.3
        assert recognizer.log_probs(noise(1)).shape == (26, 8)

    @pytest.mark.parametrize(
        ("normalization", "int8_only"), [("utterance", False), ("none", True)], ids=["utterance", "int8-only"]
    )
    def test_no_network_for_streams(self, tmp_path: Path, normalization: str, int8_only: bool) -> None:
        run = make_run(tmp_path / "run", normalization=normalization, bidirectional=False)
        export_bundle(run, tmp_path / "bundle", int8_only=int8_only)
        assert not (tmp_path / "bundle" / "model.stream.onnx").exists()
        assert Recognizer.load(tmp_path / "bundle").precision == "int8"

    def test_int8_only_of_a_cell_without_int8_is_refused(self, tmp_path: Path) -> None:
        run = make_run(tmp_path / "run", cell="gru")
        with pytest.raises(ConfigError, match=r"model\.cell = 'gru' has no int8 network"):
            export_bundle(run, tmp_path / "bundle", int8_only=True)
        assert not (tmp_path / "bundle").exists()

    def test_a_replaced_bundle_is_whole_and_the_new_one(self, finished_run: Path, tmp_path: Path) -> None:
        output = tmp_path / "bundle"
        export_bundle(finished_run, output)
        first = {path.name: path.read_bytes() for path in output.iterdir()}
        (output / "left-over.txt").write_text("of the old one", encoding="utf-8")
        export_bundle(make_run(tmp_path / "second", seed=5), output, licence="MIT")
        second = {path.name: path.read_bytes() for path in output.iterdir()}
        assert second.keys() == first.keys()
        assert second["model.onnx"] != first["model.onnx"]
        assert second["model.int8.onnx"] != first["model.int8.onnx"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "run", "second"]

    def test_a_failed_export_leaves_the_old_bundle(
        self, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        output = tmp_path / "bundle"
        export_bundle(finished_run, output)
        first = {path.name: path.read_bytes() for path in output.iterdir()}

        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("ctcasr.training.export.save_models", fail)
        with pytest.raises(CtcAsrError, match="No space left"):
            export_bundle(finished_run, output)
        assert {path.name: path.read_bytes() for path in output.iterdir()} == first

    def test_a_relative_output_and_the_current_folder(
        self, finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        assert export_bundle(finished_run, Path()).name == "here"
        monkeypatch.chdir(tmp_path)
        assert read_bundle(Path("here")).description.name == "here"

    @pytest.mark.parametrize(
        "missing",
        [f"{CHECKPOINTS}/{AVERAGED}", CONFIG, TOKENS, METRICS, SUMMARY],
        ids=lambda name: Path(name).name,
    )
    def test_an_unfinished_run_is_refused(self, finished_run: Path, tmp_path: Path, missing: str) -> None:
        (finished_run / missing).unlink()
        with pytest.raises(CtcAsrError, match=Path(missing).name):
            export_bundle(finished_run, tmp_path / "bundle")
        assert not (tmp_path / "bundle").exists()

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", '{"dev_wer": 1}', '{"dev_wer": "x", "dev_cer": 1}', "\x00"]
    )
    def test_a_damaged_summary_is_named(self, finished_run: Path, tmp_path: Path, content: str) -> None:
        (finished_run / SUMMARY).write_text(content, encoding="utf-8")
        with pytest.raises(CtcAsrError, match=SUMMARY) as raised:
            export_bundle(finished_run, tmp_path / "bundle")
        assert "\n" not in str(raised.value)

    def test_damaged_weights_are_named(self, finished_run: Path, tmp_path: Path) -> None:
        (finished_run / CHECKPOINTS / AVERAGED).write_bytes(b"no safetensors")
        with pytest.raises(ConfigError, match=AVERAGED):
            export_bundle(finished_run, tmp_path / "bundle")

    def test_weights_of_another_model_are_refused(self, finished_run: Path, tmp_path: Path) -> None:
        write_tensors(finished_run / CHECKPOINTS / AVERAGED, small_model(4, 20, symbols=5).state_dict())
        with pytest.raises(ConfigError, match="do not fit"):
            export_bundle(finished_run, tmp_path / "bundle")

    def test_a_folder_that_holds_something_else_is_left_alone(
        self, finished_run: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter1.tex").write_text("years of work", encoding="utf-8")
        with pytest.raises(ConfigError, match="is no bundle"):
            export_bundle(finished_run, tmp_path / "thesis")
        assert (tmp_path / "thesis" / "chapter1.tex").read_text(encoding="utf-8") == "years of work"

    def test_a_folder_that_holds_the_run_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "bundle").mkdir()
        (tmp_path / "bundle" / "bundle.json").write_text("{}", encoding="utf-8")
        run = make_run(tmp_path / "bundle" / "run")
        with pytest.raises(ConfigError, match="holds the run"):
            export_bundle(run, tmp_path / "bundle")
        assert (run / CHECKPOINTS / AVERAGED).is_file()

    def test_a_file_in_the_way_is_refused(self, finished_run: Path, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text", encoding="utf-8")
        for output in (tmp_path / "file", tmp_path / "file" / "bundle"):
            with pytest.raises(ConfigError, match="file"):
                export_bundle(finished_run, output)
        assert (tmp_path / "file").read_text(encoding="utf-8") == "text"

    def test_an_empty_folder_is_taken(self, finished_run: Path, tmp_path: Path) -> None:
        (tmp_path / "bundle").mkdir()
        export_bundle(finished_run, tmp_path / "bundle")
        assert read_bundle(tmp_path / "bundle").description.symbols == 8


class TestVerb:
    def test_export_prints_what_it_wrote_and_the_bundle_transcribes(
        self,
        finished_run: Path,
        tmp_path: Path,
        record: Callable[..., Path],
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with pytest.raises(SystemExit) as exit_:
            main(
                [
                    "export",
                    str(finished_run),
                    "-o",
                    str(tmp_path / "bundle"),
                    "--name",
                    "n",
                    "--licence",
                    "MIT",
                ]
            )
        said = capfd.readouterr()
        assert exit_.value.code == 0
        assert said.out == f"{tmp_path / 'bundle'}: n: model.int8.onnx 0.0 MB, model.onnx 0.1 MB\n"
        assert said.err == ""
        assert caplog.text == ""  # what libraries log goes to stderr outside of tests
        assert read_bundle(tmp_path / "bundle").description.licence == "MIT"
        with pytest.raises(SystemExit) as exit_:
            main(["transcribe", str(record()), "-m", str(tmp_path / "bundle")])
        assert exit_.value.code == 0

    def test_int8_only(self, finished_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit):
            main(["export", str(finished_run), "-o", str(tmp_path / "bundle"), "--int8-only"])
        assert not (tmp_path / "bundle" / "model.onnx").exists()
        assert "model.onnx" not in capfd.readouterr().out

    def test_no_run_there_is_one_sentence(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as exit_:
            main(["export", str(tmp_path / "none"), "-o", str(tmp_path / "bundle")])
        said = capsys.readouterr()
        assert exit_.value.code == 2
        assert said.err.startswith(f"error: {tmp_path / 'none'}: ")
        assert said.err.count("\n") == 1
