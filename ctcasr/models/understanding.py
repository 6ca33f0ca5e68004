"""Networks that say what a sentence or a recording means: tags of its words, a label of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from ctcasr.models.heads import LabelHead, Pooling, TagHead
from ctcasr.models.recurrent import RecurrentLayers, make_dropout
from ctcasr.models.settings import ModelSettings
from ctcasr.models.subsampling import ConvSubsampling
from ctcasr.models.tokens import TokenFront


@dataclass(frozen=True)
class Outputs:
    """What is to be said: how many tags, `chained` or each by itself, and how many labels; 0 where none are."""

    tags: int = 0
    chained: bool = False
    labels: int = 0
    pooling: Pooling = "attention"


class Understood(NamedTuple):
    """Scores of tags `(B, T, V)` and of labels `(B, L)`, and lengths `(B,)`; what was not asked for is empty."""

    tags: Tensor
    labels: Tensor
    lengths: Tensor


class UnderstandingModel(nn.Module):
    """Read words or audio through recurrent layers, and score tags, labels, or both at once.

    What is said of a sentence does not depend on what it is batched with.
    """

    def __init__(
        self, settings: ModelSettings, front: TokenFront | ConvSubsampling, outputs: Outputs
    ) -> None:
        super().__init__()
        self.settings = settings
        self.outputs = outputs
        self.front = front
        self.layers = RecurrentLayers(settings, front.output_size)
        # Convolution outputs are not dropped, which would hide whole bands of a frame; parts of words may be missing.
        self.input_dropout = make_dropout(settings) if isinstance(front, TokenFront) else nn.Identity()
        self.dropout = make_dropout(settings)
        width = self.layers.outputs
        self.tag_head = TagHead(width, outputs.tags, chained=outputs.chained) if outputs.tags else None
        self.label_head = (
            LabelHead(width, outputs.labels, outputs.pooling, bidirectional=settings.bidirectional)
            if outputs.labels
            else None
        )

    def forward(self, *inputs: Tensor) -> Understood:
        """Return the scores of what the front end's inputs mean; the last of these are the lengths."""
        sequences, lengths = self.front(*inputs)
        sequences = self.dropout(self.layers(self.input_dropout(sequences), lengths))
        nothing = sequences.new_zeros(len(lengths), 0)
        return Understood(
            nothing if self.tag_head is None else self.tag_head(sequences),
            nothing if self.label_head is None else self.label_head(sequences, lengths),
            lengths,
        )
