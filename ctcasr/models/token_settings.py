"""How a network reads words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class TokenSettings(BaseModel):
    """Describe what becomes of a word before the recurrent layers: a vector of its own, and one of its spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    word_size: int = Field(100, ge=1, le=4096, description="numbers that each known word is to the network")
    min_count: int = Field(
        1, ge=1, description="a word that the training manifest has less often is known by its spelling alone"
    )
    unknown_share: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="of the known words that training takes for unknown, so that spelling is learned",
    )
    character_size: int = Field(
        30, ge=1, le=1024, description="numbers that each character is to the network"
    )
    spelling_size: int = Field(
        60,
        ge=0,
        le=4096,
        description="numbers that the spelling of a word is to the network; 0: it is not read",
    )
    subwords: int = Field(
        0,
        ge=0,
        le=2**24,
        description="rows of a table for the runs of 3 to 5 characters in words, whose rows are added to a word's "
        "vector; runs share rows by chance; 0: no table",
    )
