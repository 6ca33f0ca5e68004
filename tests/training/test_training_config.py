"""The training configuration: every mistake is named, every field is described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from ctcasr.errors import ConfigError
from ctcasr.features import GlobalStatistics
from ctcasr.text import Vocabulary
from ctcasr.training.config import TrainingConfig
from ctcasr.training.config_files import read_config
from ctcasr.training.run_folder import read_statistics, write_run
from ctcasr.training.transcribing import write_symbols

MINIMAL = '[data]\ntrain = "lists/train.jsonl"\ndev = "/corpora/dev.jsonl"\n'


def config_file(folder: Path, text: str = "") -> Path:
    path = folder / "config.toml"
    path.write_text(MINIMAL + text, encoding="utf-8")
    return path


def test_defaults_and_paths(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path))
    assert config.data.train == tmp_path / "lists/train.jsonl"
    assert config.data.dev == Path("/corpora/dev.jsonl")
    assert config.run.folder == tmp_path / "runs/default"
    assert config.optimizer.epochs == 80
    assert config.augment.speeds == (0.9, 1.0, 1.1)


def test_sections_are_read(tmp_path: Path) -> None:
    config = read_config(
        config_file(tmp_path, "[model]\nlayers = 5\n[augment]\nspeeds = [1]\n[batches]\nseconds = 64")
    )
    assert (config.model.layers, config.augment.speeds, config.batches.seconds) == (5, (1.0,), 64.0)


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("optimizer.epochs=7", "optimizer", "epochs", 7),
        ("optimizer.learning_rate = 1e-3", "optimizer", "learning_rate", 1e-3),
        ("features.kind=mfcc", "features", "kind", "mfcc"),
        ('features.kind="mfcc"', "features", "kind", "mfcc"),
        ("augment.speeds=[0.8, 1.2]", "augment", "speeds", (0.8, 1.2)),
        ("model.layers=9", "model", "layers", 9),
    ],
)
def test_overrides(tmp_path: Path, override: str, section: str, key: str, value: object) -> None:
    config = read_config(config_file(tmp_path, "[model]\nlayers = 5\n"), [override])
    assert getattr(getattr(config, section), key) == value


def test_last_override_wins_and_paths_are_anchored(tmp_path: Path) -> None:
    config = read_config(config_file(tmp_path), ["run.folder=runs/a", "run.folder=runs/b-2"])
    assert config.run.folder == tmp_path / "runs/b-2"


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        ("[model]\nhiden = 3", [], "unknown key 'model.hiden'; the nearest valid key is 'hidden'"),
        ("[modle]\nhidden = 3", [], "unknown key 'modle'; the nearest valid key is 'model'"),
        ("", ["optimizer.epoch=3"], "unknown key 'optimizer.epoch'; the nearest valid key is 'epochs'"),
        ("", ["model.hidden.size=3"], "unknown key 'model.hidden.size'; the nearest valid key is 'hidden'"),
        ('[model]\nlayers = "3"', [], 'model.layers = "3": input should be a valid integer'),
        ("[model]\nlayers = 2.5", [], "model.layers = 2.5: "),
        ("[model]\nlayers = true", [], "model.layers = true: "),
        ("[optimizer]\nlearning_rate = false", [], "optimizer.learning_rate = false: "),
        ("[run]\nfolder = 3", [], "run.folder = 3: "),
        ("[model]\nsubsampling = 3", [], "model.subsampling = 3: input should be 2 or 4"),
        ("[augment]\nspeeds = []", [], "augment.speeds = []: "),
        ("[augment]\nspeeds = [1.0, 0.1]", [], "augment.speeds.1 = 0.1: "),
        ("[augment]\nspeeds = 1.0", [], "augment.speeds = 1.0: "),
        ("[run]\nseed = 4294967296", [], "run.seed = 4294967296: "),
        ("model = 3", [], "data.model"),  # stands in [data]
        ("[features]\nlow_hz = 9000", [], "features: the filters reach from 9000 to 8000 Hz"),
        ("[model]\nlayers = 0\nhidden = 0", [], r"model.layers = 0: .* \(1 more to mend\)"),
        ("", ["optimizer.epochs"], "'optimizer.epochs' is not of the form section.key=value"),
        ("", ["epochs=3"], "'epochs=3' is not of the form"),
        ("", ["=3"], "'=3' is not of the form"),
        ("", ["model.=3"], "'model.=3' is not of the form"),
        ("", ["optimizer.epochs=many"], 'optimizer.epochs = "many": '),
        ("", ["augment.frequency_warp=-0.1"], "augment.frequency_warp = -0.1: input should be greater"),
        ("", ["augment.frequency_warp=0.51"], "augment.frequency_warp = 0.51: input should be less"),
        ("", ["augment.frequency_warp=nan"], "augment.frequency_warp = NaN: "),
        (
            "",
            ["augment.frequency_warp=much"],
            'augment.frequency_warp = "much": input should be a valid number',
        ),
        ("", ["augment.frequency_warp=true"], "augment.frequency_warp = true: "),
        ("", ["augment.frequency_wrap=0.1"], "the nearest valid key is 'frequency_warp'"),
        ("", ["augment.noise=1.1"], "augment.noise = 1.1: input should be less"),
        ("", ["augment.noise_snr_db=[30, 5]"], "augment: noise_snr_db = [30, 5]; give the lower bound first"),
        ("", ["augment.noise_snr_db=[5]"], "augment.noise_snr_db.1"),
        ("", ["augment.noise_snr_db=[5, nan]"], "augment.noise_snr_db.1 = NaN: "),
        ("", ["augment.noise_snr_db=10"], "augment.noise_snr_db = 10: "),
        ("", ["augment.reverberation_seconds=[0.2, 9]"], "augment.reverberation_seconds.1 = 9: "),
        ("", ["augment.reverberation_seconds=[1, 0.5]"], "reverberation_seconds = [1, 0.5]; give the lower"),
        ("", ["augment.level_db=-1"], "augment.level_db = -1: input should be greater"),
        ("", ['augment.codecs=["mp3"]'], 'augment.codecs.0 = "mp3": input should be'),
        ("", ["augment.codecs=[]"], "augment.codecs = []: "),
        ("", ["optimizer.consistency=-1e-9"], "optimizer.consistency = -1e-09: input should be greater"),
        ("", ["optimizer.consistency=101"], "optimizer.consistency = 101: input should be less"),
        ("", ["optimizer.consistency=nan"], "optimizer.consistency = NaN: "),
        ("", ["optimizer.consistency=inf"], "optimizer.consistency = Infinity: "),
        ("", ["optimizer.consistency=[0.2]"], r"optimizer.consistency = [0.2\]: "),
        ("", ["optimizer.consistency=0,2"], 'optimizer.consistency = "0,2": '),
        ("", ["optimizer.consistency="], 'optimizer.consistency = "": '),
        ("", ["optimizer.consistency=0.2\nepochs = 3"], r'optimizer.consistency = "0.2\\nepochs = 3": '),
        ("", ["optimizer.consistency=" + "9" * 400], r"optimizer.consistency = 9{60}\.\.\.: "),
        ("", ["optimizer.consistency=" + "9" * 5000], r'optimizer.consistency = "9{59}\.\.\.: '),
        ("", ["optimizer.consistency=" + "[" * 5000], r'optimizer.consistency = "[{59}\.\.\.: '),
        ("[optimizer]\nconsistency = " + "9" * 5000, [], "is not valid TOML"),
        ("[optimizer]\nconsistency = " + "[" * 5000, [], "is not valid TOML"),
        ("", ["optimizer.learning_rate=inf"], "optimizer.learning_rate = Infinity: "),
        ("", ["optimizer.weight_decay=inf"], "optimizer.weight_decay = Infinity: "),
        ("[data", [], "is not valid TOML"),
        ("[data]\n", [], "is not valid TOML"),  # the section stands twice
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, overrides: list[str], message: str) -> None:
    path = config_file(tmp_path, text)
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")) as caught:
        read_config(path, overrides)
    assert (str(path) in str(caught.value)) != ("is not of the form" in message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the key 'data' is missing"),
        (b'[data]\ntrain = "a"', "the key 'data.dev' is missing"),
        (b"data = 3", "data = 3: "),
        (b'[data]\ntrain = "\xff"', "is not valid TOML"),
    ],
)
def test_incomplete_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(path)
    assert str(path) in str(caught.value)


def test_an_override_that_is_no_unicode(tmp_path: Path) -> None:
    folder = b"runs/caf\xe9".decode("utf-8", "surrogateescape")
    with pytest.raises(ConfigError, match=r"'run.folder=runs/caf\\udce9' is not Unicode text"):
        read_config(config_file(tmp_path), [f"run.folder={folder}"])


def test_override_of_what_is_no_section(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("data = 3")
    with pytest.raises(ConfigError, match="data is not a section"):
        read_config(path, ["data.train=a"])


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_config(tmp_path / name)


def sections() -> list[tuple[str, type[BaseModel]]]:
    return [(name, field.annotation) for name, field in TrainingConfig.model_fields.items()]


@pytest.mark.parametrize(("name", "section"), sections())
def test_every_field_is_described(name: str, section: Any) -> None:
    assert section.__doc__
    assert not section.__doc__.startswith("!!!"), "pydantic's own docstring"
    for key, field in section.model_fields.items():
        assert field.description, f"{name}.{key}"
        assert field.is_required() == (name == "data" and key in ("train", "dev"))


@pytest.mark.parametrize(("name", "section"), sections())
def test_sections_are_frozen_and_closed(name: str, section: Any) -> None:
    assert section.model_config["frozen"]
    assert section.model_config["extra"] == "forbid"


def test_a_run_folders_configuration_reads_back(tmp_path: Path) -> None:
    (tmp_path / "recipe").mkdir()
    overrides = ["run.folder=../runs/x", "features.normalization=global", "augment.speeds=[1.0]"]
    config = read_config(config_file(tmp_path / "recipe"), overrides)
    statistics = GlobalStatistics(mean=(0.5,) * 80, standard_deviation=(2.0,) * 80)
    write_run(config, lambda folder: write_symbols(folder, Vocabulary.from_texts(["ab"]), statistics))
    folder = tmp_path / "runs/x"
    read = read_config(folder / "config.toml")
    assert read.run.folder.resolve() == folder.resolve()
    assert read.data.train.resolve() == (tmp_path / "recipe/lists/train.jsonl").resolve()
    assert read.model_dump(exclude={"run": {"folder"}, "data": {"train"}}) == config.model_dump(
        exclude={"run": {"folder"}, "data": {"train"}}
    )
    assert Vocabulary.read(folder / "tokens.txt").symbols == ("<blank>", "a", "b")
    assert read_statistics(folder) == statistics
    assert read_statistics(tmp_path) is None


@pytest.mark.parametrize("moment", range(3))
def test_a_kill_while_writing_leaves_the_files_of_the_first_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    config = read_config(config_file(tmp_path), ["run.folder=run", "features.normalization=global"])
    vocabulary = Vocabulary.from_texts(["ab"])
    statistics = GlobalStatistics(mean=(0.5,) * 80, standard_deviation=(2.0,) * 80)

    def write(folder: Path) -> None:
        write_symbols(folder, vocabulary, statistics)

    write_run(config, write)
    folder = config.run.folder
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["config.toml", "statistics.json", "tokens.txt"]
    calls, original = 0, Path.write_text

    def killed(self: Path, text: str, **options: Any) -> int:
        nonlocal calls
        calls += 1
        if calls > moment:
            original(self, text[: len(text) // 2], **options)
            raise KeyboardInterrupt
        return original(self, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            write_run(config, write)
    assert {name: (folder / name).read_bytes() for name in before} == before
    write_run(config, write)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_unwritable_run_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = read_config(config_file(tmp_path), ["run.folder=file/run"])
    with pytest.raises(ConfigError, match=r"file/run: cannot be written"):
        write_run(config, lambda folder: write_symbols(folder, Vocabulary.from_texts(["ab"]), None))
