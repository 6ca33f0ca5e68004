"""`ctcasr plot`, and the options of `ctcasr train` that train nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from ctcasr.cli import surface_plot, training_plot
from ctcasr.training import rate_finding, wiring
from ctcasr.training import surface as measuring
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from tests.training.conftest import audio_folder, write_corpus

Run = Callable[..., Any]

__all__ = ["audio_folder"]


def write_run(folder: Path, epochs: int = 12, clip_norm: float = 5.0, **fields: float) -> Path:
    """Write what `plot training` reads of a run; the first four epochs are all blank."""
    folder.mkdir()
    values = {"data": {"train": "train.jsonl", "dev": "dev.jsonl"}, "optimizer": {"clip_norm": clip_norm}}
    (folder / "config.toml").write_text(tomli_w.dumps(values))
    records = [
        {
            "epoch": epoch,
            "train_loss": 3.0 / epoch,
            "dev_loss": 4.0 / epoch,
            "dev_wer": 1.0 / epoch,
            "dev_cer": 0.5 / epoch,
            "train_wer": 0.2 / epoch,
            "gradient_norm": 2.0,
            "gradient_norm_95": 7.0,
            "clipped_share": 0.3,
            "blank_share": 1.0 if epoch <= 4 else 0.7,
            "learning_rate": 1e-3 / epoch,
            **fields,
        }
        for epoch in range(1, epochs + 1)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keep the figures that are drawn."""
    kept: list[Any] = []
    for module in (training_plot, surface_plot):
        original = module.save
        monkeypatch.setattr(
            module, "save", lambda figure, path, save=original: (kept.append(figure), save(figure, path))
        )
    return kept


class TestTraining:
    @pytest.mark.slow
    def test_it_draws_what_the_records_say(self, ctcasr: Run, tmp_path: Path, figures: list[Any]) -> None:
        picture = tmp_path / "runs.png"
        said = ctcasr("plot", "training", write_run(tmp_path / "base"), "-o", picture)
        assert (said.code, said.err) == (0, "")
        assert said.out == f"{picture}: base (12 epochs)\n"
        assert picture.read_bytes().startswith(b"\x89PNG")
        (figure,) = figures
        curves = {line.get_label(): line.get_xydata() for axes in figure.axes for line in axes.get_lines()}
        epochs = np.arange(1, 13)
        for label, values in {
            "train": 3 / epochs,
            "dev WER": 100 / epochs,
            "dev CER": 50 / epochs,
            "train WER": 20 / epochs,
            "95th percentile": 7 + 0 * epochs,
            "clipped steps": 30 + 0 * epochs,
            "blank frames": np.where(epochs <= 4, 100, 70),
        }.items():
            np.testing.assert_allclose(curves[label], np.stack([epochs, values], axis=1), err_msg=label)
        words = [text.get_text().strip() for axes in figure.axes for text in axes.texts]
        assert words == ["clipped above 5"]
        assert [axes.get_ylabel() for axes in figure.axes] == [
            "loss, nats",
            "%",
            "gradient norm",
            "%",
            "learning rate",
        ]

    @pytest.mark.slow
    def test_runs_stand_side_by_side_on_one_scale(
        self, ctcasr: Run, tmp_path: Path, figures: list[Any]
    ) -> None:
        one = write_run(tmp_path / "one")
        two = write_run(tmp_path / "two", epochs=20, clip_norm=1.0, train_loss=9.0)
        said = ctcasr("plot", "training", one, two, "-o", tmp_path / "runs.svg")
        assert said.out.endswith("one (12 epochs), two (20 epochs)\n")
        (figure,) = figures
        columns = [axes for axes in figure.axes if axes.get_title(loc="left")]
        assert [axes.get_title(loc="left") for axes in columns] == ["one", "two"]
        assert columns[0].get_ylim() == columns[1].get_ylim()
        ghosts = [
            [line.get_xydata() for line in axes.get_lines() if line.get_color() == training_plot.GHOST]
            for axes in columns
        ]
        np.testing.assert_allclose(ghosts[0], [[(epoch, 4 / epoch) for epoch in range(1, 21)]])
        np.testing.assert_allclose(ghosts[1], [[(epoch, 4 / epoch) for epoch in range(1, 13)]])
        words = [text.get_text().strip() for axes in figure.axes for text in axes.texts]
        assert sorted(words) == ["clipped above 1", "clipped above 5"]

    def test_a_run_that_recorded_less_is_drawn_with_less(
        self, ctcasr: Run, tmp_path: Path, figures: list[Any]
    ) -> None:
        run = write_run(tmp_path / "old")
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        kept = [
            {name: value for name, value in record.items() if name in ("epoch", "train_loss", "dev_f1")}
            | {"dev_f1": 0.5}
            for record in records
        ]
        (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in kept))
        assert ctcasr("plot", "training", run, "-o", tmp_path / "old.png").code == 0
        (figure,) = figures
        assert [axes.get_ylabel() for axes in figure.axes] == ["loss, nats", "%"]
        assert figure.axes[1].get_lines()[0].get_label() == "dev F1"

    @pytest.mark.parametrize(
        ("break_it", "code", "words"),
        [
            (lambda run: (run / "metrics.jsonl").unlink(), 1, "expected the folder of a training run"),
            (lambda run: (run / "metrics.jsonl").write_text(""), 1, "holds no record yet"),
            (lambda run: (run / "metrics.jsonl").write_text("{"), 1, "cannot be read"),
            (lambda run: (run / "metrics.jsonl").write_text("[3]\n"), 1, "cannot be read"),
            (lambda run: (run / "config.toml").unlink(), 2, "config.toml: cannot be read"),
        ],
    )
    def test_what_is_no_run_is_one_sentence(
        self, ctcasr: Run, tmp_path: Path, break_it: Callable[[Path], Any], code: int, words: str
    ) -> None:
        run = write_run(tmp_path / "run")
        break_it(run)
        said = ctcasr("plot", "training", run, "-o", tmp_path / "runs.png")
        assert said.code == code
        assert words in said.err
        assert said.err.count("\n") == 1
        assert not (tmp_path / "runs.png").exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["runs.pdf", "nowhere/runs.png", "run"])
    def test_a_picture_that_cannot_be_written_is_refused_first(
        self, ctcasr: Run, tmp_path: Path, name: str
    ) -> None:
        said = ctcasr("plot", "training", write_run(tmp_path / "run"), "-o", tmp_path / name)
        assert said.code == 2
        assert str(tmp_path / name) in said.err


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, audio_folder: Path) -> Path:
    """A configuration, and its run."""
    folder = tmp_path_factory.mktemp("plots")
    path = write_corpus(folder, audio_folder, optimizer__epochs=2, optimizer__learning_rate=0.03)
    Trainer(read_config(path)).run()
    return path


class TestSurface:
    @pytest.mark.slow
    def test_it_draws_the_surface_and_says_what_clipping_does(
        self, ctcasr: Run, config: Path, tmp_path: Path, figures: list[Any]
    ) -> None:
        picture = tmp_path / "surface.png"
        run = config.parent / "run"
        said = ctcasr("plot", "surface", run, "-o", picture, "--points", "5", "--reach", "0.5")
        assert (said.code, said.err) == (0, "")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert re.fullmatch(
            rf"{picture}: loss [\d.]+ to [\d.]+; at the steepest place the gradient is [\d.]+, and a step ends at loss "
            rf"[\d.]+, clipped to 5 at [\d.]+ \(before: [\d.]+\)\n",
            said.out,
        )
        (figure,) = figures
        assert figure.get_suptitle() == "run, averaged weights"
        ctcasr("plot", "surface", run, "-o", picture, "--points", "5", "--epoch", "0", "--seed", "3")
        assert figures[-1].get_suptitle() == "run, epoch 0"

    @pytest.fixture(autouse=True)
    def few_points(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(measuring, "CUT_POINTS", 4)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--reach", "0"], "--reach 0: expected a share above 0"),
            (["--reach", "nan"], "--reach nan: expected a share above 0"),
            (["--points", "4"], "--points"),
            (["--epoch", "77"], "is not there; choose with --epoch among 0"),
        ],
    )
    def test_wrong_options_are_refused(
        self, ctcasr: Run, config: Path, tmp_path: Path, options: list[str], words: str
    ) -> None:
        said = ctcasr("plot", "surface", config.parent / "run", "-o", tmp_path / "a.png", *options)
        assert said.code == 2
        assert words in said.err


class TestTrainNothing:
    def test_overfit_batch_says_what_it_proves(self, ctcasr: Run, config: Path) -> None:
        said = ctcasr("train", config, "--overfit-batch")
        assert said.code == 0
        assert re.match(r"the wiring holds: u\d\d .* and u\d\d .* are written without error", said.out)
        assert "this does not tell" in said.err

    def test_overfit_batch_fails_loudly(
        self, ctcasr: Run, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wiring, "UPDATES", 20)
        said = ctcasr("train", config, "--overfit-batch", "--set", "optimizer.learning_rate=1e-9")
        assert (said.code, said.out) == (1, "")
        assert "are not learned by heart in 20 updates" in said.err

    @pytest.mark.slow
    def test_find_lr_proposes_a_rate_and_draws_it(
        self, ctcasr: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_finding, "UPDATES", 40)
        said = ctcasr("train", config, "--find-lr", "--plot", tmp_path / "rates.svg")
        assert said.code == 0
        rate = float(re.fullmatch(r"--set optimizer\.learning_rate=(\S+)\n", said.out)[1])
        assert 1e-5 < rate < 0.3
        assert f"{tmp_path / 'rates.svg'} shows it" in said.err
        assert b"<svg" in (tmp_path / "rates.svg").read_bytes()

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--overfit-batch", "--find-lr"], "give one of them"),
            (["--overfit-batch", "--resume"], "give one of them"),
            (["--find-lr", "--resume"], "give one of them"),
            (["--find-lr", "--plot", "rates.pdf"], "rates.pdf: cannot be drawn"),
            (["--plot", "rates.png"], "--plot is for --find-lr"),
        ],
    )
    def test_wrong_combinations_are_refused(
        self, ctcasr: Run, config: Path, options: list[str], words: str
    ) -> None:
        said = ctcasr("train", config, *options)
        assert (said.code, said.out) == (2, "")
        assert words in said.err


@pytest.mark.parametrize("verb", ["training", "surface"])
def test_every_picture_has_help_with_an_example(ctcasr: Run, verb: str) -> None:
    said = ctcasr("plot", verb, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"E.g. `ctcasr plot {verb} " in re.sub(r"\s+", " ", said.out)
