"""Words on their way into a recurrent network: a trainable vector each, and one of the spelling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ctcasr.models.token_settings import TokenSettings
from ctcasr.text.tokens import PADDING, UNKNOWN

KERNEL = 3
"""Characters that a convolution over a spelling sees at once."""


class TokenFront(nn.Module):
    """Map words to vectors: a table's row, beside the highest outputs of a convolution over the characters.

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
        if self.characters is None:
            return vectors, lengths
        spelled = self.characters(characters).flatten(0, 1).transpose(1, 2)
        inside = (characters != PADDING).flatten(0, 1)[:, None]
        highest = (torch.relu(self.spelling(spelled)) * inside).amax(-1)
        return torch.cat((vectors, highest.view(*words.shape, -1)), dim=-1), lengths


def _table(rows: int, size: int) -> nn.Embedding:
    table = nn.Embedding(rows, size, padding_idx=PADDING)
    table.weight.data *= size**-0.5
    return table
