"""The model bundle: a folder that describes itself, holds no pickle, and is checked when it is read."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ctcasr.decoding import BeamSettings, HmmSettings
from ctcasr.decoding.topology import MAX_STATES, Topology, TopologyKind
from ctcasr.errors import BundleError, DataError
from ctcasr.features import FeatureSettings, GlobalStatistics
from ctcasr.runtime.confidence import ConfidenceCalibration
from ctcasr.text import Units, Vocabulary, read_vocabulary

TaskName = Literal["transcribe", "tag", "classify"]

FORMAT_VERSION = 1
DEFAULT = "english"
"""The bundle inside the package that is used where none is named."""

DESCRIPTION = "bundle.json"
TOKENS = "tokens.txt"
LANGUAGE_MODEL = "lm.npz"
LEXICON = "lexicon.txt"
PRIORS = "priors.npy"
MODEL_FILES = {"fp32": "model.onnx", "int8": "model.int8.onnx"}
STREAM_MODEL = "model.stream.onnx"
"""The network of a model that can go on frame by frame, with its states as inputs and outputs."""


class TrainingSummary(BaseModel):
    """Where a model comes from, for its card and for `ctcasr info`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ctcasr_version: str
    epochs: int
    parameters: int
    seed: int
    train_utterances: int
    train_seconds: float
    dev_wer: float = Field(
        description="share, of the exported weights, greedy, float32; of phones where it writes phones"
    )
    dev_cer: float


class BundleDescription(BaseModel):
    """What `bundle.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    name: str
    features: FeatureSettings
    statistics: GlobalStatistics | None = None
    subsampling: int = Field(ge=1)
    symbols: int = Field(ge=2, description="outputs of the network: symbols of CTC, or states of an HMM")
    units: Units = Field("char", description="what the symbols in tokens.txt are")
    topology: TopologyKind = Field("ctc", description="whether the outputs are CTC's or an HMM's")
    states: int = Field(1, ge=1, le=MAX_STATES, description="outputs of a symbol, of an HMM")
    licence: str = ""
    training: TrainingSummary | None = None
    decoding: BeamSettings | None = None
    hmm: HmmSettings | None = None
    confidence: ConfidenceCalibration | None = None


class _Heading(BaseModel):
    """The field that every version of `bundle.json` has, and what the bundle is for."""

    format_version: int
    task: TaskName = "transcribe"


Description = TypeVar("Description", bound=BaseModel)


@dataclass(frozen=True)
class Bundle:
    """A checked bundle on disk."""

    folder: Path
    description: BundleDescription
    vocabulary: Vocabulary

    def model_path(self, precision: str | None = None) -> Path:
        """Return the model file; see `find_model`."""
        return find_model(self.folder, precision)

    @property
    def stream_path(self) -> Path | None:
        """The network that goes on frame by frame; None where the bundle has none."""
        path = self.folder / STREAM_MODEL
        return path if path.is_file() else None

    @property
    def topology(self) -> Topology:
        """What the network's outputs stand for."""
        return Topology(self.description.topology, self.description.states, self.vocabulary.symbols)

    def priors(self) -> npt.NDArray[np.float64] | None:
        """Read the priors of the network's outputs, `(O,)`, or return None where there are none.

        Raises:
            BundleError: the file is damaged, or does not fit the network.
        """
        path = self.folder / PRIORS
        if not path.is_file():
            return None
        try:
            priors = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BundleError(f"{path}: cannot be read ({error}); run `ctcasr priors` again") from error
        if priors.shape != (self.description.symbols,) or not np.issubdtype(priors.dtype, np.floating):
            raise BundleError(
                f"{path}: holds {priors.dtype} of shape {priors.shape}; expected a number for each of the "
                f"{self.description.symbols} outputs: run `ctcasr priors` again"
            )
        if not (np.isfinite(priors).all() and (priors > 0).all() and abs(priors.sum() - 1) < 1e-3):
            raise BundleError(
                f"{path}: holds numbers from {priors.min():.3g} to {priors.max():.3g} with the sum {priors.sum():.4g}; "
                "expected probabilities above 0 that sum to 1: run `ctcasr priors` again"
            )
        return np.asarray(priors, np.float64)

    @property
    def frame_seconds(self) -> float:
        """Seconds from one encoder frame to the next."""
        features = self.description.features
        return self.description.subsampling * features.hop_samples / features.sample_rate


def find_model(folder: Path, precision: str | None = None) -> Path:
    """Return the model file of a bundle: int8 where there is one, unless a precision is asked for.

    Raises:
        BundleError: the bundle has no model of that precision.
    """
    wanted = [precision] if precision else ["int8", "fp32"]
    for name in wanted:
        if (folder / MODEL_FILES[name]).is_file():
            return folder / MODEL_FILES[name]
    raise BundleError(
        f"{folder}: has no {' or '.join(MODEL_FILES[name] for name in wanted)}; export the run again"
    )


def bundled_names() -> list[str]:
    """Return the names of the bundles inside the package."""
    folder = _bundled_folder()
    return (
        sorted(path.name for path in folder.iterdir() if (path / DESCRIPTION).is_file())
        if folder.is_dir()
        else []
    )


def _bundled_folder() -> Path:
    return Path(str(resources.files("ctcasr"))) / "bundles"


def find_bundle(name: str | Path | None) -> Path:
    """Return the folder of a bundle: a path, or the name of one inside the package (default: `DEFAULT`).

    A folder that only happens to have the name of the package's bundle, as `recipes/an4` does, is passed over.

    Raises:
        BundleError: there is no such bundle.
    """
    wanted = DEFAULT if name is None else str(name)
    bundled = wanted in bundled_names()
    if name is not None and _is_there(Path(name), DESCRIPTION if bundled else ""):
        return Path(name)
    if bundled:
        return _bundled_folder() / wanted
    raise BundleError(
        f"no bundle {wanted!r}: it is no folder, and the package has {', '.join(bundled_names()) or 'none'}; "
        "name the folder that `ctcasr export` wrote"
    )


def _is_there(folder: Path, file: str) -> bool:
    """Tell whether there is such a folder, and in it the file that is named, if one is."""
    try:
        return folder.is_dir() and (folder / file).exists()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def read_task(folder: Path) -> TaskName:
    """Return what a bundle is for.

    Raises:
        BundleError: its description cannot be read, or its format version is not this one's.
    """
    path = folder / DESCRIPTION
    heading = parse_description(folder, _Heading)
    if heading.format_version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format version {heading.format_version}; this ctcasr reads version {FORMAT_VERSION}: "
            "export the run again, or install the ctcasr that wrote it"
        )
    return heading.task


def parse_description(folder: Path, kind: type[Description]) -> Description:
    """Read a bundle's description.

    Raises:
        BundleError: it is missing or damaged.
    """
    path = folder / DESCRIPTION
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            f"{path}: cannot be read ({error}); expected a folder that `ctcasr export` wrote"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{path}: {place}: {first['msg']}; export the run again") from error


def read_bundle(folder: Path) -> Bundle:
    """Read and check a bundle that transcribes; the shapes of its models are checked when they are loaded.

    Raises:
        BundleError: a file is missing or damaged, the format version is not this one's, or it has another task.
    """
    path = folder / DESCRIPTION
    task = read_task(folder)  # first of all: another version may well have other fields
    if task != "transcribe":
        raise BundleError(
            f"{folder}: is a bundle to {task}, not to transcribe; use `ctcasr {task} -m {folder}`"
        )
    description = parse_description(folder, BundleDescription)
    try:
        vocabulary = read_vocabulary(folder / TOKENS, description.units, folder / LEXICON)
    except DataError as error:
        raise BundleError(str(error)) from error
    bundle = Bundle(folder, description, vocabulary)
    _check_outputs(path, bundle)
    return bundle


def _check_outputs(path: Path, bundle: Bundle) -> None:
    """Raise BundleError unless the number of the network's outputs is that of the vocabulary and the topology."""
    description, symbols = bundle.description, len(bundle.vocabulary)
    if description.topology == "ctc" and description.states != 1:
        raise BundleError(
            f"{path}: states: CTC has one output a symbol, found {description.states}; export the run again"
        )
    if bundle.topology.output_count != description.symbols:
        outputs = f", {bundle.topology.output_count} outputs" if description.states > 1 else ""
        raise BundleError(f"{path}: names {description.symbols} symbols, but {TOKENS} has {symbols}{outputs}")
