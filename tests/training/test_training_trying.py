"""The wiring is proved, a learning rate is proposed, and a surface measured: apart from any run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ctcasr.errors import ConfigError, DataError, RunError
from ctcasr.training import rate_finding, surface, wiring
from ctcasr.training.config_files import read_config
from ctcasr.training.loop import Trainer
from ctcasr.training.planning import Epoch, plan_epoch
from ctcasr.training.rate_finding import find_rate
from ctcasr.training.stepping import Stepper
from ctcasr.training.surface import SurfaceSettings, measure_surface
from ctcasr.training.tensor_files import read_tensors
from ctcasr.training.trying import plain, trial
from ctcasr.training.wiring import prove_wiring
from tests.training.conftest import write_corpus


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_two_utterances_are_learned_by_heart_and_nothing_is_written(corpus, tmp_path: Path) -> None:
    config = corpus(model__dropout=0.5, optimizer__consistency=0.2, optimizer__learning_rate=0.03)
    before, updates = files(tmp_path), []
    found = prove_wiring(read_config(config), lambda: updates.append(1))
    assert found.updates == len(updates) < wiring.UPDATES
    assert len(set(found.utterances)) == 2
    assert all("train.jsonl:" in name for name in found.utterances)
    assert files(tmp_path) == before


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["gradient", "targets"])
def test_a_broken_wiring_is_not_proved(corpus, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """Where no gradient arrives, or each update has other targets, nothing is learned by heart."""
    monkeypatch.setattr(wiring, "UPDATES", 60)
    if broken == "gradient":
        monkeypatch.setattr(torch.optim.AdamW, "step", lambda *_: None)
    else:
        original, rng = Stepper.step, np.random.default_rng(0)

        def shuffled(self, batches, *rest):
            for batch in batches:
                batch.targets.copy_(torch.from_numpy(rng.integers(1, 4, batch.targets.shape)))
            original(self, batches, *rest)

        monkeypatch.setattr(Stepper, "step", shuffled)
    with pytest.raises(RunError, match=r"are not learned by heart in 60 updates: WER .* --find-lr"):
        prove_wiring(read_config(corpus()))


def test_unusable_utterances_do_not_prove_anything(corpus, tmp_path: Path) -> None:
    config = corpus()
    manifest = tmp_path / "train.jsonl"
    lines = manifest.read_text().splitlines()
    gone = [line.replace(".wav", ".gone.wav") for line in lines[2:]]
    manifest.write_text("\n".join([*lines[:2], *gone]) + "\n")
    assert len(prove_wiring(read_config(config)).utterances) == 2
    manifest.write_text("\n".join([lines[0], *gone]) + "\n")
    with pytest.raises(RunError, match="holds no two usable utterances"):
        prove_wiring(read_config(config))


@pytest.fixture
def falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that fall up to a rate of 0.01, and rise behind it."""

    def step(self, batches, number, totals):
        (rate,) = {group["lr"] for group in self.optimizer.param_groups}
        totals.size = 2.0
        totals.loss = 2.0 * (3 + abs(np.log10(rate / 0.01)))

    monkeypatch.setattr(Stepper, "step", step)
    monkeypatch.setattr(rate_finding, "SMOOTHING", 0.0)


@pytest.fixture(autouse=True)
def few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_finding, "UPDATES", 50)


def test_a_tenth_of_the_rate_with_the_lowest_loss_is_proposed(corpus, falling: None) -> None:
    found = find_rate(read_config(corpus()))
    assert found.lowest == pytest.approx(0.01, rel=0.3)
    assert found.proposed == 0.001
    assert len(found.rates) == len(found.losses) == len(found.smoothed) == rate_finding.UPDATES
    np.testing.assert_allclose(found.losses, 3 + abs(np.log10(found.rates / 0.01)))
    assert (np.diff(found.rates) > 0).all()


def test_the_test_of_rates_ends_where_the_loss_diverges(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Stepper.step

    def step(self, batches, number, totals):
        original(self, batches, number, totals)
        if number == 35:
            raise DataError("the loss is not finite")

    monkeypatch.setattr(Stepper, "step", step)
    found = find_rate(read_config(corpus()))
    assert len(found.losses) <= 35


def test_rates_that_teach_nothing_are_refused(corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(self, batches, number, totals):
        totals.size, totals.loss = 1.0, 3.0 + number

    monkeypatch.setattr(Stepper, "step", step)
    with pytest.raises(RunError, match=r"does not fall at any rate .*--overfit-batch"):
        find_rate(read_config(corpus()))


@pytest.mark.slow
def test_a_rate_is_found_on_the_tones_and_a_run_is_left_alone(corpus, tmp_path: Path) -> None:
    config = corpus(optimizer__epochs=1)
    Trainer(read_config(config)).run()
    before = {path: path.read_bytes() for path in files(tmp_path)}
    found = find_rate(read_config(config))
    assert 1e-4 < found.proposed < 0.1
    assert found.smoothed.min() < 0.9 * found.smoothed[:10].mean()
    assert {path: path.read_bytes() for path in files(tmp_path)} == before


def test_rates_are_tried_on_the_batches_of_a_training(corpus) -> None:
    trainer = trial(read_config(corpus(batches__seconds=0.8), ["batches.sorted_epochs=1"]))
    plan = plan_epoch(trainer.task.part, Epoch(0, trainer.config.run.seed, 1, 8, is_sorted=True))
    batches = rate_finding._batches(trainer)
    assert [list(next(batches).examples) for _ in range(4)] == plan[:4]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, audio_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("surface")
    config = write_corpus(
        folder, audio_folder, optimizer__epochs=12, batches__seconds=0.8, augment__frequency_masks=0
    )
    Trainer(read_config(config)).run()
    return folder / "run"


@pytest.fixture(autouse=True)
def few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "CUT_POINTS", 4)


def test_the_surface_is_that_of_the_network_that_is_scored(corpus) -> None:
    trainer = trial(plain(read_config(corpus(), ["model.batch_norm=true"])))
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    loss = surface._Loss(trainer)
    weights = [parameter.detach().clone() for parameter in loss.parameters]
    found = loss(weights)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.network.state_dict().items())
    trainer.network.eval()
    assert loss(weights) == pytest.approx(found)


@pytest.mark.slow
def test_the_surface_has_the_network_in_its_middle(run: Path) -> None:
    calls: list[int] = []
    found = measure_surface(run, SurfaceSettings(None, 0.5, 3, 0), lambda: calls.append(1))
    assert len(calls) == 9
    assert found.losses.shape == (3, 3)
    assert np.isfinite(found.losses).all()
    assert found.aside.tolist() == [-0.5, 0, 0.5]
    np.testing.assert_allclose(found.along, [-0.05, 0, 0.05])
    assert found.losses[1, 1] < 0.9 * found.losses[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    nearer = measure_surface(run, SurfaceSettings(None, 1e-3, 3, 0))
    assert nearer.losses[1, 1] == found.losses[1, 1]
    assert np.ptp(nearer.losses) < 0.1 * np.ptp(found.losses)
    # Near the middle the first direction is the steepest there is: against it the loss falls.
    assert nearer.losses[0, 1] < nearer.losses[1, 1] < nearer.losses[2, 1]
    assert np.ptp(nearer.losses[:, 1]) > np.ptp(nearer.losses[1]) / surface.NARROW


@pytest.mark.slow
def test_the_steps_from_the_steepest_place_are_as_long_as_they_should(run: Path) -> None:
    found = measure_surface(run, SurfaceSettings(None, 0.5, 5, 0))
    cut = found.cut
    assert found.clip_norm == read_config(run / "config.toml").optimizer.clip_norm
    assert cut.free.length == pytest.approx(cut.clipped.length * max(1, cut.norm / found.clip_norm))
    row = int(np.argmin(abs(found.along - cut.along)))
    assert cut.losses[0] == pytest.approx(found.losses[row, 2], rel=1e-4)
    assert found.losses[row, 2] <= np.median(found.losses[:, 2])
    assert (cut.distances[0], cut.distances[-1]) == (0, pytest.approx(1.15 * cut.free.length))
    assert cut.clipped.loss < cut.losses[0]
    # So near the gradient foretells the loss: a fortieth of the way to the lowest place.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surface, "CUT_POINTS", 128)
        fine = measure_surface(run, SurfaceSettings(None, 0.5, 5, 0)).cut
    fallen, distance = fine.losses[0] - fine.losses[1], fine.distances[1]
    assert fallen == pytest.approx(fine.norm * distance, rel=0.15)


@pytest.mark.slow
def test_the_seed_the_epoch_and_the_reach_change_the_surface(run: Path) -> None:
    folder = run / "checkpoints"
    averaged = read_tensors(folder / "averaged.safetensors")["output.weight"]  # it may be one epoch's
    kept = next(
        int(path.stem[-4:])
        for path in folder.glob("epoch-*.safetensors")
        if not torch.equal(read_tensors(path)["output.weight"], averaged)
    )
    settings = [
        SurfaceSettings(None, 0.5, 2, 0),
        SurfaceSettings(None, 0.5, 2, 1),
        SurfaceSettings(0, 0.5, 2, 0),
        SurfaceSettings(kept, 0.5, 2, 0),
        SurfaceSettings(None, 1.0, 2, 0),
    ]
    losses = [measure_surface(run, each).losses for each in settings]
    assert all(not np.array_equal(one, other) for place, one in enumerate(losses) for other in losses[:place])
    np.testing.assert_array_equal(losses[0], measure_surface(run, settings[0]).losses)


def test_an_epoch_that_was_not_kept_is_refused(run: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"epoch-0999\.safetensors: is not there; choose with --epoch among 0"
    ):
        measure_surface(run, SurfaceSettings(999, 0.5, 3, 0))
