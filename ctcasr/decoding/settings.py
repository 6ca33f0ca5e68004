"""Settings of the searches; apart from them, so that reading a bundle does not load the kernels."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BeamSettings(BaseModel):
    """Steer the beam search; scores are natural logarithms."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    beam_size: int = Field(32, ge=1, le=100_000, description="prefixes that are alive after each frame")
    tokens: int = Field(40, ge=1, description="best symbols of a frame that prefixes may grow by")
    min_token_log_prob: float = Field(
        -12.0, le=0, description="symbols below this are not tried; -inf tries all"
    )
    score_threshold: float = Field(
        16.0, gt=0, description="prefixes so far below the best one are dropped; inf keeps them"
    )
    blank_skip: float = Field(
        1.0, gt=0, le=1, description="frames whose blank is more probable are taken for blanks; 1 takes none"
    )
    lm_weight: float = Field(0.6, ge=0, le=100, description="of the language model's log-probability")
    word_bonus: float = Field(
        0.5, ge=-100, le=100, description="added for each word (for a model over symbols: each symbol)"
    )
    unknown_cost: float | None = Field(
        None,
        ge=-1000,
        le=0,
        description="added for a word outside the lexicon; none at all are written by default",
    )
    hotword_boost: float = Field(1.0, ge=0, le=100, description="added for each symbol of a hot word")
    prior_scale: float = Field(
        0.0,
        ge=0,
        le=2,
        description="power of the symbols' priors by which their posteriors are divided; 0: none",
    )


class HmmSettings(BaseModel):
    """Steer the Viterbi search through a hidden Markov model; scores are natural logarithms."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    beam_size: int = Field(2000, ge=1, le=10_000_000, description="states that are alive after each frame")
    score_threshold: float = Field(
        25.0, gt=0, description="states so far below the best one are dropped; inf keeps them"
    )
    lm_weight: float = Field(2.0, ge=0, le=100, description="of the language model's log-probability")
    word_bonus: float = Field(0.0, ge=-100, le=100, description="added for each word")
    prior_scale: float = Field(
        0.8, ge=0, le=2, description="power of the states' priors by which their posteriors are divided"
    )
    self_loop: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="probability of staying in a state; 0.5 weighs staying and going on alike",
    )
