"""What a run takes over from another one or from a bundle: fine-tuning, or another task for what can hear already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from ctcasr.decoding.topology import Topology
from ctcasr.errors import ConfigError
from ctcasr.features import FeatureSettings, GlobalStatistics
from ctcasr.runtime import read_bundle
from ctcasr.runtime.bundle import DESCRIPTION
from ctcasr.text import PhoneVocabulary, Pronunciations, Vocabulary, read_vocabulary
from ctcasr.training.bundle_weights import bundle_weights
from ctcasr.training.checkpoints import AVERAGED
from ctcasr.training.config import TextSettings, TrainingConfig
from ctcasr.training.config_files import read_config
from ctcasr.training.objectives import topology_of
from ctcasr.training.records import CONFIG
from ctcasr.training.run_folder import CHECKPOINTS, DICTIONARY, TOKENS, read_statistics
from ctcasr.training.tensor_files import load_weights, read_tensors

_HEARING = ("front", "subsampling", "layers")
"""Parts of a network that hears; a network that transcribes has its `front` under the name of `subsampling`."""


@dataclass(frozen=True)
class Start:
    """Where a network starts.

    Attributes:
        path: file of the weights.
        weights: of a whole network, by name.
        statistics: that its features are normalised by, if they are global.
        vocabulary: what it writes, if it does.
        topology: what its outputs stand for, if it writes.
    """

    path: Path
    weights: dict[str, Tensor]
    statistics: GlobalStatistics | None
    vocabulary: Vocabulary | None = None
    topology: Topology | None = None

    def symbols(self, settings: TextSettings) -> Vocabulary | None:
        """Return the symbols to take over; None where others are to be written.

        Pieces are others where another number of them is wanted, and phones where the dictionary that is wanted has
        one that the start lacks; its words and their pronunciations are taken.

        Raises:
            DataError: the dictionary of phones is damaged.
        """
        theirs = self.vocabulary
        if theirs is None or theirs.units != settings.units:
            return None
        if isinstance(theirs, PhoneVocabulary):
            assert settings.lexicon is not None
            wanted = Pronunciations.read(settings.lexicon)
            same = set(wanted.phones) <= set(theirs.symbols)
            return PhoneVocabulary(theirs.symbols, wanted) if same else None
        if theirs.units == "bpe" and len(theirs) - 1 != settings.pieces:
            return None
        return theirs

    def load(self, network: nn.Module, topology: Topology) -> None:
        """Load all weights into a network that transcribes; where its outputs stand for something else, not theirs.

        Raises:
            ConfigError: the network has another shape.
        """
        if topology == self.topology:
            load_weights(network, self.weights, self.path)
        else:
            self.load_hearing(network.get_submodule("subsampling"), network.get_submodule("layers"))

    def load_hearing(self, front: nn.Module, layers: nn.Module) -> None:
        """Load the weights of convolutions and recurrent layers, whatever was learned with them.

        Raises:
            ConfigError: they have another shape.
        """
        for names, part in ((_HEARING[:2], front), (_HEARING[2:], layers)):
            theirs = {
                key.removeprefix(f"{name}."): weight
                for key, weight in self.weights.items()
                for name in names
                if key.startswith(f"{name}.")
            }
            load_weights(part, theirs, self.path)


def read_start(config: TrainingConfig) -> Start | None:
    """Read the run or the bundle that `run.start_from` names; None where it names none.

    Raises:
        ConfigError: it is neither a finished run nor a bundle, or hears other features than this configuration.
        BundleError: the bundle is damaged, or does not transcribe.
        DataError: its symbols are damaged.
    """
    folder = config.run.start_from
    if folder is None:
        return None
    if (folder / DESCRIPTION).exists():
        return _start_from_bundle(folder, config)
    path = folder / CHECKPOINTS / AVERAGED
    if not path.exists():
        raise ConfigError(
            f"{path}: is not there; run.start_from must be the folder of a finished run, a bundle, or the name of one "
            "in the package"
        )
    theirs = read_config(folder / CONFIG)
    if theirs.task.input != config.task.input:
        raise ConfigError(
            f"{folder / CONFIG}: its task.input differs from this configuration's; it must be the same"
        )
    _check_features(folder / CONFIG, theirs.features, config.features)
    weights, statistics = read_tensors(path), read_statistics(folder)
    if theirs.task.head != "ctc":
        return Start(path, weights, statistics)
    vocabulary = read_vocabulary(folder / TOKENS, theirs.text.units, folder / DICTIONARY)
    return Start(path, weights, statistics, vocabulary, topology_of(theirs, vocabulary))


def _start_from_bundle(folder: Path, config: TrainingConfig) -> Start:
    bundle = read_bundle(folder)
    description = bundle.description
    _check_features(folder / DESCRIPTION, description.features, config.features)
    path, weights = bundle_weights(bundle, config.model)
    return Start(path, weights, description.statistics, bundle.vocabulary, bundle.topology)


def _check_features(path: Path, theirs: FeatureSettings, ours: FeatureSettings) -> None:
    differ = [name for name in type(ours).model_fields if getattr(theirs, name) != getattr(ours, name)]
    if differ:
        name = differ[0]
        raise ConfigError(
            f"{path}: its features differ from [features] here: {name} = {getattr(theirs, name)!r}, and here "
            f"{getattr(ours, name)!r}; what goes on from it needs the same"
        )
