"""`ctcasr lm`: train, prune, perplexity; each option changes something, each bad input is one sentence."""

from __future__ import annotations

import gzip
import importlib
import json
import lzma
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from ctcasr import lm
from ctcasr.cli.lm import SmoothingName, UnitName
from tests.lm.samples import as_dict, random_sentences

Run = Callable[..., Any]
VERBS = ["train", "prune", "perplexity", "convert"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("".join(" ".join(words) + "\n" for words in random_sentences(1, 300)), encoding="utf-8")
    return path


@pytest.fixture
def model(ctcasr: Run, text: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.arpa"
    assert ctcasr("lm", "train", text, "-o", path).code == 0
    return path


def listed(path: Path) -> dict[tuple[str, ...], tuple[float, float]]:
    return as_dict(lm.load_model(path).tables())


class TestHelp:
    @pytest.mark.parametrize("verb", VERBS)
    def test_every_verb_has_help_with_an_example(self, ctcasr: Run, verb: str) -> None:
        said = ctcasr("lm", verb, "--help")
        assert (said.code, said.err) == (0, "")
        assert f"E.g. `ctcasr lm {verb} " in re.sub(r"\s+", " ", said.out)
        assert ctcasr("lm", verb, "-h").out == said.out

    def test_every_option_has_help(self) -> None:
        import typer

        module = importlib.import_module("ctcasr.cli.lm")
        assert "`ctcasr lm`" in (module.__doc__ or "")
        commands = typer.main.get_command(module.app).commands  # type: ignore[attr-defined]
        assert set(VERBS) <= set(commands)
        for verb in VERBS:
            for parameter in commands[verb].params:
                assert getattr(parameter, "help", None), parameter.name

    @pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
    def test_alone_it_shows_its_help(self, ctcasr: Run, verb: list[str]) -> None:
        said = ctcasr("lm", *verb)
        assert said.code == 2
        assert "Usage: " in said.out + said.err
        assert " ".join(["lm", *verb]) in said.out + said.err

    def test_names_are_those_of_the_library(self) -> None:
        assert [name.value for name in UnitName] == list(get_args(lm.Unit))
        assert [name.value for name in SmoothingName] == list(get_args(lm.Smoothing))

    def test_defaults_are_those_of_the_library(self, model: Path, text: Path) -> None:
        tables = lm.kneser_ney(lm.count_ngrams([text], lm.CountSettings()))
        lm.write_arpa(tables, model.with_name("expected.arpa"))
        assert model.read_bytes() == model.with_name("expected.arpa").read_bytes()

    @pytest.mark.slow
    def test_numba_is_imported_by_the_verbs_only(self) -> None:
        code = (
            "import sys, ctcasr.cli.lm\nfrom typer.testing import CliRunner\n"
            "assert CliRunner().invoke(ctcasr.cli.lm.app, ['train', '--help']).exit_code == 0\n"
            "sys.exit('numba' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0


class TestTrain:
    def test_what_it_says(self, ctcasr: Run, text: Path, tmp_path: Path) -> None:
        output = tmp_path / "out.arpa"
        said = ctcasr("lm", "train", text, "-o", output)
        tables = lm.load_model(output).tables()
        tokens = sum(2 + line.count(" ") for line in text.read_text(encoding="utf-8").splitlines())
        counts = ", ".join(f"{count:,} {order}-grams" for order, count in enumerate(tables.counts, 1))
        assert said.out == f"{output}: {counts}, 0.0 MB, from 300 sentences, {tokens:,} tokens\n"
        assert said.code == 0

    def test_forms(self, ctcasr: Run, text: Path, model: Path, tmp_path: Path) -> None:
        for name in ("out.npz", "out.arpa.gz"):
            assert ctcasr("lm", "train", text, "-o", tmp_path / name).code == 0
        assert gzip.decompress((tmp_path / "out.arpa.gz").read_bytes()) == model.read_bytes()
        expected = listed(model)
        for words, values in listed(tmp_path / "out.npz").items():
            assert values == pytest.approx(expected[words], abs=1e-6)

    def test_several_texts_compressed(self, ctcasr: Run, text: Path, model: Path, tmp_path: Path) -> None:
        lines = text.read_bytes().splitlines(keepends=True)
        (tmp_path / "1.gz").write_bytes(gzip.compress(b"".join(lines[:100])))
        (tmp_path / "2.xz").write_bytes(lzma.compress(b"".join(lines[100:])))
        said = ctcasr("lm", "train", tmp_path / "1.gz", tmp_path / "2.xz", "-o", tmp_path / "out.arpa")
        assert said.code == 0
        assert (tmp_path / "out.arpa").read_bytes() == model.read_bytes()

    @pytest.mark.parametrize(
        "options",
        [
            ["--order", "2"],
            ["--unit", "char"],
            ["--min-count", "20"],
            ["--smoothing", "witten-bell"],
            ["--prune", "1e-4"],
            ["--vocabulary", "words.txt"],
        ],
        ids=" ".join,
    )
    def test_every_option_changes_the_model(
        self, ctcasr: Run, text: Path, model: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(model.parent)
        (model.parent / "words.txt").write_text("w0\n\nw1 W AH N\n", encoding="utf-8")
        said = ctcasr("lm", "train", text, "-o", "out.arpa", *options)
        assert said.code == 0
        assert Path("out.arpa").read_bytes() != model.read_bytes()

    def test_a_lexicon_as_vocabulary(self, ctcasr: Run, text: Path, tmp_path: Path) -> None:
        (tmp_path / "lexicon.txt").write_text("w0 Z IH R OW\nnever N EH V ER\n", encoding="utf-8")
        said = ctcasr(
            "lm", "train", text, "-o", tmp_path / "out.npz", "--vocabulary", tmp_path / "lexicon.txt"
        )
        assert said.code == 0
        assert lm.load(tmp_path / "out.npz").words == ("<unk>", "<s>", "</s>", "w0", "never")

    def test_tokens_of_a_model_as_vocabulary(self, ctcasr: Run, text: Path, tmp_path: Path) -> None:
        tokens, output = tmp_path / "tokens.txt", tmp_path / "out.npz"
        tokens.write_text("<blank>\n<space>\nw\n0\n", encoding="utf-8")
        assert ctcasr("lm", "train", text, "-o", output, "--unit", "char", "--vocabulary", tokens).code == 0
        assert lm.load(output).words == ("<unk>", "<s>", "</s>", "<space>", "w", "0")

    def test_discounts_that_are_made_up_are_named(self, ctcasr: Run, tmp_path: Path) -> None:
        (tmp_path / "small.txt").write_text("a b c\n", encoding="utf-8")
        said = ctcasr("lm", "train", tmp_path / "small.txt", "-o", tmp_path / "out.arpa")
        assert said.code == 0
        warnings = said.err.splitlines()
        assert len(warnings) == 3
        assert warnings[1].startswith(
            "warning: the text gives no Kneser-Ney discounts for 2-grams (no n-gram has the adjusted count 2); "
            "used 0.5, 1, 1.5"
        )
        assert (
            ctcasr(
                "lm",
                "train",
                tmp_path / "small.txt",
                "-o",
                tmp_path / "out.arpa",
                "--smoothing",
                "witten-bell",
            ).err
            == ""
        )


class TestPrune:
    def test_smaller(self, ctcasr: Run, model: Path, tmp_path: Path) -> None:
        sizes = []
        for threshold in ("0", "1e-5", "1e-3"):
            said = ctcasr("lm", "prune", model, "-o", tmp_path / "out.npz", "--threshold", threshold)
            assert said.code == 0
            assert said.out.startswith(f"{tmp_path / 'out.npz'}: 33 1-grams, ")
            sizes.append(len(listed(tmp_path / "out.npz")))
        assert sizes[0] > sizes[1] > sizes[2]

    def test_as_while_training(self, ctcasr: Run, text: Path, tmp_path: Path) -> None:
        whole, one, two = tmp_path / "whole.npz", tmp_path / "one.arpa", tmp_path / "two.arpa"
        ctcasr("lm", "train", text, "-o", whole)
        ctcasr("lm", "train", text, "-o", one, "--prune", "1e-4")
        ctcasr("lm", "prune", whole, "-o", two, "--threshold", "1e-4")
        first, second = listed(one), listed(two)
        assert set(first) == set(second)
        for words, values in first.items():
            assert values == pytest.approx(second[words], abs=1e-5)


class TestPerplexity:
    def test_what_it_prints(self, ctcasr: Run, model: Path, tmp_path: Path) -> None:
        test = tmp_path / "test.txt"
        test.write_text("w0 w1 zebra\n\nw2\n", encoding="utf-8")
        said = ctcasr("lm", "perplexity", model, test)
        found = lm.perplexity(lm.load_model(model), [test])
        assert (said.code, said.err) == (0, "")
        assert said.out == (
            f"Perplexity including OOVs:\t{found.including_unknown:.6g}\n"
            f"Perplexity excluding OOVs:\t{found.excluding_unknown:.6g}\nOOVs:\t1\nTokens:\t6\n"
        )

    def test_the_unit_changes_it(self, ctcasr: Run, model: Path, text: Path) -> None:
        assert ctcasr("lm", "perplexity", model, text, "--unit", "char").out.count("OOVs:\t0\n") == 0
        assert "OOVs:\t0\n" in ctcasr("lm", "perplexity", model, text).out

    def test_several_texts(self, ctcasr: Run, model: Path, text: Path) -> None:
        once, twice = (ctcasr("lm", "perplexity", model, *[text] * count).out for count in (1, 2))
        assert once.splitlines()[0] == twice.splitlines()[0]
        assert once != twice

    def test_a_text_without_words(self, ctcasr: Run, model: Path, tmp_path: Path) -> None:
        (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
        said = ctcasr("lm", "perplexity", model, tmp_path / "empty.txt")
        assert (said.code, said.out) == (1, "")
        assert (
            said.err
            == f"error: {tmp_path / 'empty.txt'}: the texts hold no word; expected a sentence a line\n"
        )


class TestWrongUse:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (["train", "{text}"], 2, "--output"),
            (["train", "{text}", "-o", "{tmp}/out.bin"], 2, "expected one of .arpa, .arpa.gz, .npz"),
            (["train", "{text}", "-o", "{tmp}/none/out.npz"], 2, "there is no folder"),
            (["train", "{text}", "-o", "{tmp}/folder.npz"], 2, "is a folder"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--order", "0"], 2, "--order"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--order", "11"], 2, "--order"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--unit", "phone"], 2, "--unit"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--smoothing", "good-turing"], 2, "--smoothing"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--prune", "-1"], 2, "--prune"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--prune", "nan"], 2, "--prune"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--min-count", "0"], 2, "--min-count"),
            (
                ["train", "{text}", "-o", "{tmp}/out.npz", "--min-count", "2", "--vocabulary", "{text}"],
                2,
                "contradict",
            ),
            (["train", "{tmp}/none.txt", "-o", "{tmp}/out.npz"], 1, "none.txt: cannot be read"),
            (["train", "{tmp}", "-o", "{tmp}/out.npz"], 1, "cannot be read"),
            (["train", "{tmp}/empty", "-o", "{tmp}/out.npz"], 1, "hold no word"),
            (["train", "{tmp}/latin", "-o", "{tmp}/out.npz"], 1, "latin:2: byte 0xe9 is not UTF-8"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--vocabulary", "{tmp}/empty"], 1, "lists no word"),
            (["train", "{text}", "-o", "{tmp}/out.npz", "--vocabulary", "{tmp}/latin"], 1, "cannot be read"),
            (["prune", "{text}", "-o", "{tmp}/out.npz", "--threshold", "1e-8"], 1, "no line \\data\\"),
            (["prune", "{tmp}/none", "-o", "{tmp}/out.npz", "--threshold", "1e-8"], 1, "cannot be read"),
            (["prune", "{text}", "-o", "{tmp}/out.npz"], 2, "--threshold"),
            (["prune", "{text}", "-o", "{tmp}/out.txt", "--threshold", "1e-8"], 2, "expected one of"),
            (["perplexity", "{text}", "{text}"], 1, "no line \\data\\"),
            (["perplexity", "{text}"], 2, "TEXT"),
            (["perplexity", "{text}", "{text}", "--order", "3"], 2, "--order"),
            (["query", "{text}"], 2, "query"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_one_sentence(
        self, ctcasr: Run, text: Path, tmp_path: Path, arguments: list[str], code: int, says: str
    ) -> None:
        (tmp_path / "folder.npz").mkdir()
        (tmp_path / "empty").write_text(" \n", encoding="utf-8")
        (tmp_path / "latin").write_text("a\né\n", encoding="latin-1")
        said = ctcasr("lm", *(argument.format(text=text, tmp=tmp_path) for argument in arguments))
        assert (said.code, said.out) == (code, "")
        assert says.casefold() in re.sub(r"[\s│]+", " ", said.err).casefold()
        if "Usage" not in said.err:
            assert said.err.startswith("error: ")
            assert said.err.count("\n") == 1
        assert not (tmp_path / "out.npz").exists()
        assert not list(tmp_path.glob("*.tmp"))


class TestConvert:
    @pytest.mark.parametrize("suffix", [".npz", ".arpa.gz", ".arpa"])
    def test_the_model_stays_what_it_is(self, ctcasr: Run, model: Path, tmp_path: Path, suffix: str) -> None:
        output = tmp_path / f"other{suffix}"
        assert ctcasr("lm", "convert", model, "-o", output).code == 0
        before, after = listed(model), listed(output)
        assert before.keys() == after.keys()
        for ngram, numbers in before.items():
            assert after[ngram] == pytest.approx(numbers, abs=1e-6)

    def test_an_unknown_suffix_is_refused(self, ctcasr: Run, model: Path, tmp_path: Path) -> None:
        said = ctcasr("lm", "convert", model, "-o", tmp_path / "other.bin")
        assert said.code == 2
        assert "expected one of .arpa" in said.err


class TestManifests:
    def test_a_manifest_gives_its_transcripts(self, ctcasr: Run, text: Path, tmp_path: Path) -> None:
        manifest = tmp_path / "train.jsonl"
        lines = text.read_text(encoding="utf-8").splitlines()
        entries = (
            {"id": str(number), "audio_filepath": "x.wav", "duration": 1.0, "text": line}
            for number, line in enumerate(lines)
        )
        manifest.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        for source, output in ((text, "text.arpa"), (manifest, "manifest.arpa")):
            assert ctcasr("lm", "train", source, "-o", tmp_path / output).code == 0
        assert (tmp_path / "text.arpa").read_bytes() == (tmp_path / "manifest.arpa").read_bytes()
        model = tmp_path / "text.arpa"
        said = [ctcasr("lm", "perplexity", model, source).out for source in (text, manifest)]
        assert said[0] == said[1]
