"""Words on their way into a recurrent network: a trainable vector each, and one of the spelling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctcasr.models.token_settings import TokenSettings
from ctcasr.text.tokens import PADDING, UNKNOWN

KERNEL = 3
"""Characters that a convolution over a spelling sees at once."""

SHORTEST, LONGEST = 3, 5
"""Runs of characters, the ends of a word among them, that have rows of their own."""

HASH_FACTOR, HASH_MODULUS = 8191, 2**31 - 1
"""Of a polynomial hash whose products fit into 64 bits."""

FIRST_SUBWORD = 1
"""Rows of the table of runs before the first of them: padding's."""


class TokenFront(nn.Module):
    """Map words to vectors: a table's row, beside the highest outputs of a convolution over the characters.

    With `subwords`, the rows of a word's runs of characters are added to its own (Bojanowski et al. 2017, section 3.2),
    so that words with a stem in common have something in common from the start. The sum is divided by the root of
    their number: long words are not louder.

    The convolution reads words that no table has (Ma and Hovy 2016, section 2.1; Santos and Zadrozny 2014). With ReLU
    in front of the maximum, padding, which is zero, cannot change it.

    Vectors start with a length near 1. Torch's own start, ten times that, is noise that rare words never lose.
    """

    def __init__(self, settings: TokenSettings, words: int, characters: int) -> None:
        super().__init__()
        self.unknown_share = settings.unknown_share
        self.words = _table(words, settings.word_size)
        self.output_size = settings.word_size + settings.spelling_size
        self.characters: nn.Embedding | None = None
        if settings.spelling_size:
            self.characters = _table(characters, settings.character_size)
            self.spelling = nn.Conv1d(
                settings.character_size, settings.spelling_size, KERNEL, padding=KERNEL // 2
            )
        self.subwords: nn.Embedding | None = None
        if settings.subwords:
            self.subwords = _table(FIRST_SUBWORD + settings.subwords, settings.word_size)
            nn.init.zeros_(self.subwords.weight)  # a run that training does not have says nothing

    def forward(self, words: Tensor, characters: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return `sequences (B, T, output_size)` and `lengths (B,)`.

        Args:
            words: `(B, T)` numbers of words, 0 beyond the length.
            characters: `(B, T, C)` numbers of their characters, 0 beyond a word's last.
            lengths: `(B,)` words.
        """
        if self.training and self.unknown_share:
            hidden = torch.rand(words.shape, device=words.device) < self.unknown_share
            words = torch.where(hidden & (words != PADDING), UNKNOWN, words)
        vectors = self.words(words)
        if self.subwords is not None:
            vectors = vectors + _pieces(self.subwords, characters)
        if self.characters is None:
            return vectors, lengths
        spelled = self.characters(characters).flatten(0, 1).transpose(1, 2)
        inside = (characters != PADDING).flatten(0, 1)[:, None]
        highest = (torch.relu(self.spelling(spelled)) * inside).amax(-1)
        return torch.cat((vectors, highest.view(*words.shape, -1)), dim=-1), lengths


def subword_rows(characters: Tensor, rows: int) -> Tensor:
    """Return the row of each run of characters in words, `(B, T, C * (LONGEST - SHORTEST + 1))`, 0 where there is none.

    A character of padding before and behind a word belongs to it, so that beginnings and endings are told from what
    stands inside.

    Args:
        characters: `(B, T, C)` numbers of characters, 0 beyond a word's last.
        rows: of the table, without padding's.
    """
    width = characters.shape[-1]
    padded = nn.functional.pad(characters, (1, LONGEST - 2))
    digits = [padded[..., place : place + width] for place in range(LONGEST)]
    hashed, found = torch.zeros_like(characters), []
    for size, digit in enumerate(digits, 1):
        hashed = (hashed * HASH_FACTOR + digit + 1) % HASH_MODULUS
        if size >= SHORTEST:  # the last but one is a character: at most the last one is padding
            found.append(torch.where(digits[size - 2] != PADDING, FIRST_SUBWORD + hashed % rows, PADDING))
    return torch.cat(found, dim=-1)


def _pieces(table: nn.Embedding, characters: Tensor) -> Tensor:
    """Return the sum of the rows of each word's runs, `(B, T, size)`, over the root of their number."""
    rows = subword_rows(characters, table.num_embeddings - FIRST_SUBWORD)
    total = nn.functional.embedding_bag(
        rows.flatten(0, 1), table.weight, mode="sum", padding_idx=PADDING
    ).view(*rows.shape[:2], -1)
    return total / (rows != PADDING).sum(-1, keepdim=True).clamp_min(1).sqrt()


def _table(rows: int, size: int) -> nn.Embedding:
    table = nn.Embedding(rows, size, padding_idx=PADDING)
    table.weight.data *= size**-0.5
    return table
