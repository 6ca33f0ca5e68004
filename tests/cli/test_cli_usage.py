"""Help, wrong usage, and a machine without torch."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ctcasr as package
from ctcasr.cli.main import VERBS, make_app

Run = Callable[..., Any]


class TestHelp:
    def test_these_are_all_the_verbs(self) -> None:
        modules = Path(str(package.__file__)).parent.joinpath("cli").glob("*.py")
        with_command = {path.stem for path in modules if "\ndef command(" in path.read_text(encoding="utf-8")}
        assert set(VERBS) == with_command - {"tune"}  # which is one of `ctcasr lm`
        assert [command.name for command in make_app().registered_commands] == list(VERBS)

    @pytest.mark.slow
    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_has_help_with_an_example(self, ctcasr: Run, verb: str) -> None:
        said = ctcasr(verb, "--help")
        assert (said.code, said.err) == (0, "")
        assert f"E.g. `ctcasr {verb} " in re.sub(r"\s+", " ", said.out)
        assert ctcasr(verb, "-h").out == said.out

    def test_only_the_verb_that_is_wanted_is_imported(self) -> None:
        assert [command.name for command in make_app(["--debug", "score", "align"]).registered_commands] == [
            "score"
        ]
        alone = make_app(["lm", "train"])
        assert (alone.registered_commands, len(alone.registered_groups)) == ([], 1)
        assert len(make_app(["scor"]).registered_commands) == len(VERBS)  # so that what was meant can be told

    @pytest.mark.parametrize("verb", VERBS)
    def test_every_option_has_help(self, verb: str) -> None:
        import typer

        command = typer.main.get_command(make_app()).commands[verb]  # type: ignore[attr-defined]
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{verb} {parameter.name}"

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_verb_alone_shows_its_help(self, ctcasr: Run, verb: str) -> None:
        said = ctcasr(verb)
        assert said.code == 2
        assert f"ctcasr {verb}" in said.out + said.err

    def test_the_command_alone_lists_the_verbs(self, ctcasr: Run) -> None:
        said = ctcasr()
        assert said.code == 2
        assert all(verb in said.out + said.err for verb in VERBS)
        assert ctcasr("--help").code == 0

    def test_version(self, ctcasr: Run) -> None:
        assert ctcasr("--version").out == f"ctcasr {package.__version__}\n"

    @pytest.mark.parametrize("verb", VERBS)
    def test_the_modules_say_what_they_are(self, verb: str) -> None:
        module = importlib.import_module(f"ctcasr.cli.{verb}")
        assert f"`ctcasr {verb}`" in (module.__doc__ or "")


class TestWrongUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["transcribed", "a.wav"],
            ["transcribe", "a.wav", "--beam", "4"],
            ["transcribe", "a.wav", "-f", "doc"],
            ["transcribe", "a.wav", "--precision", "int4"],
            ["transcribe", "a.wav", "--threads", "0"],
            ["transcribe", "a.wav", "--threads", "-1"],
            ["transcribe", "a.wav", "--threads", "two"],
            ["transcribe", "a.wav", "-m"],
            ["transcribe", "-x.wav"],
            ["align", "a.wav"],
            ["align", "a.wav", "a.txt", "-f", "vtt"],
            ["align", "a.wav", "a.txt", "--min-confidence", "1.5"],
            ["evaluate", "a", "b"],
            ["calibrate", "dev.jsonl"],
            ["calibrate", "dev.jsonl", "-m"],
            ["score", "one"],
            ["score", "one", "two", "--unit", "syllable"],
            ["export", "run"],
            ["train", "config.toml", "--set"],
        ],
        ids=" ".join,
    )
    def test_exit_code_2(self, ctcasr: Run, arguments: list[str]) -> None:
        said = ctcasr(*arguments)
        assert (said.code, said.out) == (2, "")
        assert said.err


class TestWithoutTorch:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "verb"),
        [(["train", "config.toml"], "training"), (["export", "run", "-o", "out"], "export")],
    )
    def test_train_and_export_say_what_to_install(
        self, tmp_path: Path, arguments: list[str], verb: str
    ) -> None:
        code = f"import sys; sys.modules['torch'] = None; from ctcasr.cli.main import main; main({arguments})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr == f"error: {verb} needs torch; install it with `pip install 'ctcasr[train]'`\n"

    @pytest.mark.slow
    def test_the_runtime_verbs_work(self, tiny_bundle: Path, record: Callable[..., Path]) -> None:
        code = f"""
import sys
for name in ("torch", "torchaudio", "librosa", "accelerate", "onnx", "safetensors", "tensorboard", "av", "tomli_w"):
    sys.modules[name] = None
from ctcasr.cli.main import main
main({["transcribe", str(record()), "-m", str(tiny_bundle)]})
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip()


class TestTrain:
    def test_a_missing_configuration(self, ctcasr: Run, tmp_path: Path) -> None:
        said = ctcasr("train", tmp_path / "none.toml")
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"error: {tmp_path / 'none.toml'}: cannot be read")
        assert said.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["augment.frequency_warp=-0.1"], "augment.frequency_warp = -0.1: input should be greater than"),
            (["augment.frequency_warp=1"], "augment.frequency_warp = 1: input should be less than"),
            (["augment.frequency_warp=nan"], "augment.frequency_warp = NaN: "),
            (["augment.frequency_warp=ten percent"], 'augment.frequency_warp = "ten percent": '),
            (["optimizer.consistency=-1"], "optimizer.consistency = -1: input should be greater than"),
            (["optimizer.consistency=inf"], "optimizer.consistency = Infinity: input should be less than"),
            (["optimizer.consistency=1e300"], "optimizer.consistency = 1e+300: input should be less than"),
            (["optimizer.consistency=0.2\nepochs=3"], "optimizer.consistency = "),
            (["optimizer.consistency=" + "9" * 5000], "optimizer.consistency = "),
            (["optimizer.consistency=" + "[" * 5000], "optimizer.consistency = "),
            (["optimizer.consistency={a = 1}"], 'optimizer.consistency = {"a": 1}: '),
            (["optimizer.consistency=\udce9"], "is not Unicode text"),
            (["consistency=0.2"], "is not of the form section.key=value"),
        ],
    )
    def test_a_wrong_setting_is_one_sentence(
        self, ctcasr: Run, tmp_path: Path, overrides: list[str], message: str
    ) -> None:
        (tmp_path / "config.toml").write_text('[data]\ntrain = "a"\ndev = "b"\n', encoding="utf-8")
        sets = [part for override in overrides for part in ("--set", override)]
        said = ctcasr("train", tmp_path / "config.toml", *sets)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("error: ")
        assert message in said.err
        assert said.err.count("\n") == 1
        assert len(said.err) < 400

    def test_an_unknown_key_is_named_with_the_nearest(self, ctcasr: Run, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text('[data]\ntrain = "a"\ndev = "b"\n', encoding="utf-8")
        said = ctcasr("train", tmp_path / "config.toml", "--set", "model.layer=2")
        assert said.code == 2
        assert "'model.layer'" in said.err
        assert "'layers'" in said.err
