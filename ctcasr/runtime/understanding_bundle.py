"""Bundles that understand: they tag words, or say what a sentence or a recording is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ctcasr.crf import Chain
from ctcasr.errors import BundleError, DataError
from ctcasr.features import FeatureSettings, GlobalStatistics
from ctcasr.runtime.bundle import DESCRIPTION, TaskName, find_bundle, parse_description, read_task
from ctcasr.text.tokens import Names, TokenVocabulary

WORDS = "words.txt"
CHARACTERS = "characters.txt"
TAGS = "tags.txt"
LABELS = "labels.txt"
CHAIN = "chain.npz"


class UnderstandingSummary(BaseModel):
    """Where a model comes from, for its card and for `ctcasr info`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ctcasr_version: str
    epochs: int
    parameters: int
    seed: int
    dev_scores: dict[str, float] = Field(description="shares, of the exported weights, float32")


class UnderstandingDescription(BaseModel):
    """What the `bundle.json` of a bundle that understands says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    name: str
    task: TaskName = Field(description="tag or classify")
    input: Literal["tokens", "audio"]
    features: FeatureSettings | None = Field(None, description="of recordings")
    statistics: GlobalStatistics | None = None
    subsampling: int = Field(1, ge=1)
    licence: str = ""
    training: UnderstandingSummary | None = None


@dataclass(frozen=True)
class UnderstandingBundle:
    """A checked bundle on disk.

    Attributes:
        folder: where it lies.
        description: what its `bundle.json` says.
        vocabulary: of the words that it reads, or None where it hears recordings.
        tags: that it gives to words, none where it gives none.
        chain: scores of neighbouring tags, or None where each tag is by itself.
        labels: that it gives to the whole.
    """

    folder: Path
    description: UnderstandingDescription
    vocabulary: TokenVocabulary | None
    tags: Names | None
    chain: Chain | None
    labels: Names | None


def read_understanding(name: str | Path) -> UnderstandingBundle:
    """Read and check a bundle that understands, by path.

    Raises:
        BundleError: there is no such bundle, it is damaged, or it transcribes.
    """
    folder = find_bundle(name)
    if read_task(folder) == "transcribe":
        raise BundleError(
            f"{folder}: is a bundle to transcribe, not to understand; use `ctcasr transcribe -m {name}`"
        )
    description = parse_description(folder, UnderstandingDescription)
    try:
        vocabulary = None
        if description.input == "tokens":
            vocabulary = TokenVocabulary(Names.read(folder / WORDS), Names.read(folder / CHARACTERS))
        tags, labels = (
            Names.read(folder / file) if (folder / file).is_file() else None for file in (TAGS, LABELS)
        )
        chain = Chain.read(folder / CHAIN) if (folder / CHAIN).is_file() else None
    except DataError as error:
        raise BundleError(str(error)) from error
    if (tags is None) == (description.task == "tag") or (tags is None and labels is None):
        raise BundleError(
            f"{folder}: its task is {description.task}, but {TAGS} and {LABELS} do not fit it; export the run again"
        )
    if (description.input == "audio") == (description.features is None):
        raise BundleError(f"{folder / DESCRIPTION}: features do not fit its input; export the run again")
    if chain is not None and (tags is None or len(chain.starts) != len(tags)):
        raise BundleError(f"{folder / CHAIN}: does not fit the tags of {TAGS}; export the run again")
    return UnderstandingBundle(folder, description, vocabulary, tags, chain, labels)
