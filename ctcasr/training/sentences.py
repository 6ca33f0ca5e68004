"""The task of reading: sentences to padded batches of numbers, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import Dataset

from ctcasr.data.sentences import Sentence, read_sentences
from ctcasr.errors import ConfigError, DataError
from ctcasr.models.tokens import TokenFront
from ctcasr.runtime.understanding_bundle import CHARACTERS, LABELS, TAGS, WORDS
from ctcasr.text.tokens import UNKNOWN, Names, TokenVocabulary
from ctcasr.training.batching import Batch, plan_batches
from ctcasr.training.config import TrainingConfig
from ctcasr.training.dataset import Key
from ctcasr.training.feeding import BatchLoader
from ctcasr.training.tasks import TrainingPart
from ctcasr.training.understanding import UNKNOWN_NAME, Said, Targets, Truth, UnderstandingTask


@dataclass(frozen=True)
class SentenceExample:
    """One sentence ready for a batch."""

    number: int
    words: Tensor
    characters: Tensor
    tags: Tensor
    label: int


@dataclass(frozen=True)
class SentenceBatch(Batch):
    """Padded sentences: `words (B, T)`, `characters (B, T, C)`, `lengths (B,)`, `tags (B, T)` and `labels (B,)`."""

    words: Tensor
    characters: Tensor
    lengths: Tensor
    tags: Tensor
    labels: Tensor

    def resized(self, length: int) -> SentenceBatch:
        """Return the batch with so many words in each row, cut or lengthened by unknown ones."""
        more = length - self.words.shape[1]
        pad = torch.nn.functional.pad
        return replace(
            self,
            words=pad(self.words, (0, more), value=UNKNOWN),
            characters=pad(self.characters, (0, 0, 0, more), value=UNKNOWN),
            lengths=torch.full_like(self.lengths, length),
            tags=pad(self.tags, (0, more)) if self.tags.shape[1] else self.tags,
        )


class SentenceDataset(Dataset[SentenceExample]):
    """Sentences as numbers, the same in all epochs."""

    def __init__(self, sentences: Sequence[Sentence], vocabulary: TokenVocabulary, targets: Targets) -> None:
        self.examples = [
            _encode(number, sentence, vocabulary, targets) for number, sentence in enumerate(sentences)
        ]

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, key: Key) -> SentenceExample:
        """Return the example of a key."""
        return self.examples[key.utterance]


def _encode(
    number: int, sentence: Sentence, vocabulary: TokenVocabulary, targets: Targets
) -> SentenceExample:
    words, characters = map(torch.from_numpy, vocabulary.encode(sentence.words))
    tags, labels = ({} if names is None else names.ids for names in (targets.tags, targets.labels))
    numbers = torch.tensor([tags.get(tag, UNKNOWN_NAME) for tag in sentence.tags or ()], dtype=torch.int64)
    return SentenceExample(number, words, characters, numbers, labels.get(sentence.label or "", UNKNOWN_NAME))


def collate_sentences(examples: Sequence[SentenceExample]) -> SentenceBatch:
    """Pad sentences to a batch, with zeros."""
    pad = torch.nn.utils.rnn.pad_sequence
    width = max(example.characters.shape[1] for example in examples)
    characters = [
        torch.nn.functional.pad(example.characters, (0, width - example.characters.shape[1]))
        for example in examples
    ]
    return SentenceBatch(
        examples=tuple(example.number for example in examples),
        weights=torch.ones(len(examples)),
        problems=(),
        words=pad([example.words for example in examples], batch_first=True),
        characters=pad(characters, batch_first=True),
        lengths=torch.tensor([len(example.words) for example in examples]),
        tags=pad([example.tags for example in examples], batch_first=True),
        labels=torch.tensor([example.label for example in examples]),
    )


class SentenceTask(UnderstandingTask[SentenceBatch]):
    """Learn the tags of a manifest's words, the labels of its sentences, or both."""

    size_unit = "tokens"

    def __init__(self, config: TrainingConfig, accelerator: Accelerator, *, resume: bool) -> None:
        """Read the manifests.

        Raises:
            ConfigError: the run that is resumed has other words, tags or labels.
            DataError: a manifest is wrong, or a sentence lacks its tags or its label.
        """
        self.train_set, self.dev_set = read_sentences(config.data.train), read_sentences(config.data.dev)
        targets = Targets(
            _tags(self.train_set, self.dev_set) if config.task.head in ("tags", "crf") else None,
            _labels(self.train_set, self.dev_set) if config.task.pooling is not None else None,
        )
        super().__init__(config, accelerator, targets)
        words = (sentence.words for sentence in self.train_set)
        self.vocabulary = TokenVocabulary.of(words, config.tokens.min_count)
        if resume:
            self._check_names()
        self.part = TrainingPart(
            config.data.train, self.train_set, _sizes(self.train_set), config.batches.tokens, "tokens"
        )
        self._load = BatchLoader(accelerator, config.batches)
        self._train, self._dev = (
            SentenceDataset(part, self.vocabulary, targets) for part in (self.train_set, self.dev_set)
        )

    def _names(self) -> dict[str, Names]:
        """Return what the run's folder has to hold, by file."""
        named = {
            WORDS: self.vocabulary.words,
            CHARACTERS: self.vocabulary.characters,
            TAGS: self.targets.tags,
            LABELS: self.targets.labels,
        }
        return {file: names for file, names in named.items() if names is not None}

    def _check_names(self) -> None:
        for file, names in self._names().items():
            path = self.config.run.folder / file
            if Names.read(path) != names:
                raise ConfigError(
                    f"{path}: differs from what {self.config.data.train} has; resume with the sentences of the first "
                    "start, or train in another folder"
                )

    def make_front(self) -> TokenFront:
        """Return the embedding of words and of their spelling."""
        return TokenFront(self.config.tokens, self.vocabulary.word_count, self.vocabulary.character_count)

    def batches(self, plan: list[list[int]], epoch: int) -> Iterator[SentenceBatch]:
        """Yield this process's share of each planned batch."""
        return self._load(self._train, plan, epoch, collate_sentences)

    def dev_batches(self) -> Iterator[SentenceBatch]:
        """Yield this process's share of the held-out sentences."""
        processes = self.accelerator.num_processes
        plan = plan_batches(_sizes(self.dev_set), self.config.batches.tokens, processes=processes)
        return self._load(self._dev, plan, -1, collate_sentences)

    def dev_truth(self) -> list[Said]:
        """Return the tags and the label of each held-out sentence."""
        return [Said(sentence.tags or (), sentence.label or "") for sentence in self.dev_set]

    def inputs(self, batch: SentenceBatch) -> tuple[Tensor, ...]:
        """Return words, characters and lengths."""
        return batch.words, batch.characters, batch.lengths

    def resized(self, batch: SentenceBatch, size: float) -> SentenceBatch:
        """Return the batch with so many words in each row."""
        return batch.resized(max(1, round(size)))

    def truth(self, batch: SentenceBatch) -> Truth:
        """Return tags and labels."""
        return Truth(batch.tags, batch.labels)

    def write(self, folder: Path) -> None:
        """Write words, characters, tags and labels."""
        for file, names in self._names().items():
            names.write(folder / file)


def _sizes(sentences: Sequence[Sentence]) -> list[float]:
    return [float(len(sentence.words)) for sentence in sentences]


def _tags(train: Sequence[Sentence], dev: Sequence[Sentence]) -> Names:
    for sentence in [*train, *dev]:
        if sentence.tags is None:
            raise DataError(f"{sentence}: has no `tags`; task.head = 'tags' or 'crf' needs one for each word")
    return Names(tuple(sorted({tag for sentence in train for tag in sentence.tags or ()})))


def _labels(train: Sequence[Sentence], dev: Sequence[Sentence]) -> Names:
    for sentence in [*train, *dev]:
        if not sentence.label:
            raise DataError(f"{sentence}: has no `label`; task.pooling needs one for each sentence")
    return Names(tuple(sorted({sentence.label for sentence in train if sentence.label})))
