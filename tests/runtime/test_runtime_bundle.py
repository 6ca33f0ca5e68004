"""Bundles: what is missing, damaged or does not fit is a BundleError that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctcasr.errors import BundleError
from ctcasr.features import FeatureSettings
from ctcasr.runtime import Recognizer, bundled_names, find_bundle, read_bundle
from ctcasr.runtime import bundle as bundle_module
from ctcasr.text import Vocabulary

Change = Callable[[dict[str, Any]], None]


def change(bundle: Path, edit: Change) -> None:
    """Edit the fields of `bundle.json`."""
    fields = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    edit(fields)
    (bundle / "bundle.json").write_text(json.dumps(fields), encoding="utf-8")


def refused(bundle: Path, *words: str, precision: Any = None) -> None:
    """Check that loading fails with one sentence that has these words."""
    with pytest.raises(BundleError) as raised:
        Recognizer.load(bundle, precision)
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


class TestRead:
    def test_what_is_written_is_read(
        self, tiny_bundle: Path, tiny_features: FeatureSettings, tiny_vocabulary: Vocabulary
    ) -> None:
        bundle = read_bundle(tiny_bundle)
        assert bundle.folder == tiny_bundle
        assert bundle.description.name == "tiny"
        assert bundle.description.features == tiny_features
        assert bundle.vocabulary == tiny_vocabulary
        assert bundle.frame_seconds == pytest.approx(0.04)

    def test_a_bundle_holds_no_pickle(self, tiny_bundle: Path) -> None:
        suffixes = {path.suffix for path in tiny_bundle.rglob("*") if path.is_file()}
        assert suffixes <= {".json", ".txt", ".onnx", ".md", ".npz", ".npy"}
        for path in tiny_bundle.rglob("*"):
            # Pickle begins with its protocol (0x80), as torch's old files do, or lies in a zip, as its new ones do.
            assert path.read_bytes()[:1] != b"\x80"
            assert path.read_bytes()[:2] != b"PK"

    def test_line_ends_of_windows_do_not_matter(self, own_bundle: Path, tiny_vocabulary: Vocabulary) -> None:
        for name in ("bundle.json", "tokens.txt"):
            (own_bundle / name).write_bytes((own_bundle / name).read_bytes().replace(b"\n", b"\r\n"))
        assert read_bundle(own_bundle).vocabulary == tiny_vocabulary


class TestFiles:
    @pytest.mark.parametrize("name", ["bundle.json", "tokens.txt"])
    def test_a_missing_file_is_named(self, own_bundle: Path, name: str) -> None:
        (own_bundle / name).unlink()
        refused(own_bundle, str(own_bundle / name))

    @pytest.mark.parametrize("name", ["bundle.json", "tokens.txt", "model.int8.onnx"])
    def test_a_folder_in_the_place_of_a_file_is_named(self, own_bundle: Path, name: str) -> None:
        (own_bundle / name).unlink()
        (own_bundle / name).mkdir()
        refused(own_bundle, name, precision="int8")

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", "null", "\x00", '{"format_version": "one"}', "{}", "[" * 100_000]
    )
    def test_damaged_json_is_named(self, own_bundle: Path, content: str) -> None:
        (own_bundle / "bundle.json").write_text(content, encoding="utf-8")
        refused(own_bundle, str(own_bundle / "bundle.json"))

    @pytest.mark.parametrize("name", ["bundle.json", "tokens.txt"])
    def test_bytes_that_are_no_text_are_named(self, own_bundle: Path, name: str) -> None:
        (own_bundle / name).write_bytes(b"\xff\xfe\x00")
        refused(own_bundle, str(own_bundle / name))

    def test_damaged_tokens_are_named(self, own_bundle: Path) -> None:
        (own_bundle / "tokens.txt").write_text("a\nb\n", encoding="utf-8")
        refused(own_bundle, str(own_bundle / "tokens.txt"), "<blank>")

    @pytest.mark.parametrize("precision", ["int8", "fp32"])
    @pytest.mark.parametrize("damage", ["empty", "text", "half", "zeros"])
    def test_a_damaged_network_is_named(self, own_bundle: Path, precision: str, damage: str) -> None:
        path = own_bundle / bundle_module.MODEL_FILES[precision]
        whole = path.read_bytes()
        path.write_bytes(
            {
                "empty": b"",
                "text": b"<html>404</html>",
                "half": whole[: len(whole) // 2],
                "zeros": bytes(999),
            }[damage]
        )
        refused(own_bundle, str(path), precision=precision)


class TestDescription:
    def test_another_format_version_is_refused_before_its_fields(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields.update(format_version=2, language_models=[]))
        refused(own_bundle, str(own_bundle / "bundle.json"), "format version 2", "reads version 1")

    def test_an_unknown_key_is_named(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields.update(licens="MIT"))
        refused(own_bundle, str(own_bundle / "bundle.json"), "licens")

    def test_an_unknown_key_of_the_features_is_named(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields["features"].update(mel_bin=3))
        refused(own_bundle, str(own_bundle / "bundle.json"), "features.mel_bin")

    @pytest.mark.parametrize("key", ["format_version", "name", "features", "subsampling", "symbols"])
    def test_a_missing_key_is_named(self, own_bundle: Path, key: str) -> None:
        change(own_bundle, lambda fields: fields.pop(key))
        refused(own_bundle, str(own_bundle / "bundle.json"), key)

    def test_impossible_features_are_named(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields["features"].update(high_hz=9000))
        refused(own_bundle, str(own_bundle / "bundle.json"), "features", "9000")


class TestFit:
    def test_another_number_of_symbols(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields.update(symbols=13))
        refused(own_bundle, str(own_bundle / "bundle.json"), "13 symbols", "tokens.txt has 12")

    def test_symbols_that_do_not_fit_the_network(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields.update(symbols=13))
        with (own_bundle / "tokens.txt").open("a", encoding="utf-8") as file:
            file.write("z\n")
        refused(own_bundle, str(own_bundle / "model.int8.onnx"), "12 symbols", "bundle.json names 13")

    def test_features_that_do_not_fit_the_network(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields["features"].update(mel_bins=21))
        refused(own_bundle, str(own_bundle / "model.int8.onnx"), "20 feature bins", "describes 21")

    def test_subsampling_that_does_not_fit_the_network(self, own_bundle: Path) -> None:
        change(own_bundle, lambda fields: fields.update(subsampling=2))
        refused(own_bundle, str(own_bundle / "model.int8.onnx"), "subsampling of 2")

    @pytest.mark.parametrize(("statistics", "word"), [(None, "none are given"), (3, "3 bins")])
    def test_statistics_that_do_not_fit_the_features(
        self, own_bundle: Path, statistics: int | None, word: str
    ) -> None:
        def edit(fields: dict[str, Any]) -> None:
            fields["features"]["normalization"] = "global"
            if statistics:
                fields["statistics"] = {"mean": [0.0] * statistics, "standard_deviation": [1.0] * statistics}

        change(own_bundle, edit)
        refused(own_bundle, str(own_bundle / "bundle.json"), word)

    def test_statistics_that_are_no_numbers(self, own_bundle: Path) -> None:
        def edit(fields: dict[str, Any]) -> None:
            fields["features"]["normalization"] = "global"
            fields["statistics"] = {"mean": [float("nan")] * 20, "standard_deviation": [1.0] * 20}

        change(own_bundle, edit)
        refused(own_bundle, str(own_bundle))

    def test_global_statistics_are_used(self, own_bundle: Path, noise: Callable[..., Any]) -> None:
        def edit(fields: dict[str, Any]) -> None:
            fields["features"]["normalization"] = "global"
            fields["statistics"] = {"mean": [-3.0] * 20, "standard_deviation": [2.0] * 20}

        before = Recognizer.load(own_bundle).log_probs(noise())
        change(own_bundle, edit)
        after = Recognizer.load(own_bundle).log_probs(noise())
        assert before.shape == after.shape
        assert (before != after).any()

    def test_another_network_is_refused(self, own_bundle: Path) -> None:
        import onnx
        from onnx import TensorProto, helper

        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "other",
            [info("x", TensorProto.FLOAT, ["B"])],
            [info("y", TensorProto.FLOAT, ["B"])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.save(model, own_bundle / "model.int8.onnx")
        refused(own_bundle, str(own_bundle / "model.int8.onnx"), "['x']", "['y']")

    def test_weights_that_are_no_numbers_are_refused(self, own_bundle: Path) -> None:
        import onnx
        from onnx import numpy_helper

        model = onnx.load(own_bundle / "model.onnx")
        for constant in model.graph.initializer:
            values = numpy_helper.to_array(constant)
            if values.dtype == "float32" and values.ndim >= 2:
                constant.CopyFrom(numpy_helper.from_array(values * float("nan"), constant.name))
        onnx.save(model, own_bundle / "model.onnx")
        refused(own_bundle, str(own_bundle / "model.onnx"), precision="fp32")


class TestPrecision:
    def test_int8_where_there_is_one(self, tiny_bundle: Path) -> None:
        assert Recognizer.load(tiny_bundle).precision == "int8"
        assert Recognizer.load(tiny_bundle, "int8").precision == "int8"
        assert Recognizer.load(tiny_bundle, "fp32").precision == "fp32"

    def test_fp32_where_there_is_no_int8(self, own_bundle: Path) -> None:
        (own_bundle / "model.int8.onnx").unlink()
        assert Recognizer.load(own_bundle).precision == "fp32"

    @pytest.mark.parametrize(("precision", "name"), [("int8", "model.int8.onnx"), ("fp32", "model.onnx")])
    def test_no_network_of_that_precision(self, own_bundle: Path, precision: str, name: str) -> None:
        (own_bundle / name).unlink()
        refused(own_bundle, str(own_bundle), f"has no {name};", precision=precision)

    def test_no_network_at_all(self, own_bundle: Path) -> None:
        for path in own_bundle.glob("*.onnx"):
            path.unlink()
        refused(own_bundle, str(own_bundle), "model.int8.onnx or model.onnx")


class TestFind:
    @pytest.fixture
    def package(self, own_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Let the package hold bundles of the names `an4` and `tiny`."""
        folder = tmp_path / "bundles"
        folder.mkdir()
        (folder / "an4").mkdir()
        (folder / "an4" / "bundle.json").write_text("{}", encoding="utf-8")
        (folder / "sample.wav").touch()
        (folder / "no-bundle").mkdir()
        own_bundle.rename(folder / "tiny")
        monkeypatch.setattr(bundle_module, "_bundled_folder", lambda: folder)
        monkeypatch.setattr(bundle_module, "DEFAULT", "an4")
        monkeypatch.chdir(tmp_path)
        return folder

    @pytest.mark.usefixtures("package")
    def test_names_of_the_package(self) -> None:
        assert bundled_names() == ["an4", "tiny"]

    def test_by_name(self, package: Path) -> None:
        assert find_bundle("tiny") == package / "tiny"
        assert find_bundle(None) == package / "an4"
        assert Recognizer.load("tiny").bundle.folder == package / "tiny"

    @pytest.mark.usefixtures("package")
    def test_by_path(self, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert find_bundle(tiny_bundle) == tiny_bundle
        assert find_bundle(str(tiny_bundle)) == tiny_bundle
        monkeypatch.chdir(tiny_bundle)
        assert read_bundle(find_bundle(".")).description.name == "tiny"

    @pytest.mark.usefixtures("package")
    def test_a_path_comes_before_a_name(self, tmp_path: Path) -> None:
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny" / "bundle.json").write_text("{}", encoding="utf-8")
        assert find_bundle("tiny").resolve() == tmp_path / "tiny"

    def test_a_folder_of_the_name_that_is_no_bundle_does_not_hide_it(
        self, package: Path, tmp_path: Path
    ) -> None:
        """As in `recipes/`, where there is a folder `an4`."""
        (tmp_path / "an4").mkdir()
        assert find_bundle("an4") == package / "an4"
        assert find_bundle(None) == package / "an4"

    @pytest.mark.usefixtures("package")
    @pytest.mark.parametrize("name", ["none", "", "no-bundle", "sample.wav", "x" * 5000, "a\0b", "../tiny"])
    def test_no_such_bundle(self, name: str) -> None:
        with pytest.raises(BundleError):
            read_bundle(find_bundle(name))

    @pytest.mark.usefixtures("package")
    def test_the_message_names_those_there_are(self) -> None:
        with pytest.raises(BundleError, match=r"'none'.* an4, tiny;"):
            find_bundle("none")

    def test_no_bundle_in_the_package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundle_module, "_bundled_folder", lambda: tmp_path / "none")
        assert bundled_names() == []
        with pytest.raises(BundleError, match=r"'english'.* the package has none;"):
            find_bundle(None)
