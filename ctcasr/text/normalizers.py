"""Normalisers: named rows of rules, chosen with `--normalize` and recorded in the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ctcasr.errors import ConfigError
from ctcasr.text.english_numbers import spelled_numbers
from ctcasr.text.rules import (
    compatibility_form,
    expanded_contractions,
    joined_cjk,
    lower_case,
    without_fillers,
    without_punctuation,
)

Rule = Callable[[str], str]


@dataclass(frozen=True)
class Normalizer:
    """Rules that are applied one after the other.

    Attributes:
        name: by which it is chosen.
        rules: text in, text out; see `ctcasr.text.rules`.
    """

    name: str
    rules: tuple[Rule, ...]

    def __call__(self, text: str) -> str:
        """Return the text after all rules."""
        for rule in self.rules:
            text = rule(text)
        return text

    def each(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the normalised text of every utterance."""
        return {identity: self(text) for identity, text in texts.items()}

    @property
    def rule_names(self) -> tuple[str, ...]:
        """Names of the rules in their order."""
        return tuple(rule.__name__ for rule in self.rules)


_BASIC: tuple[Rule, ...] = (compatibility_form, lower_case, without_punctuation)

NORMALIZERS = {
    normalizer.name: normalizer
    for normalizer in (
        Normalizer("none", ()),
        Normalizer("basic", _BASIC),
        Normalizer(
            "english",
            (
                compatibility_form,
                lower_case,
                spelled_numbers,  # before the punctuation that belongs to numbers is gone
                without_punctuation,
                without_fillers,
                expanded_contractions,
                spelled_numbers,  # `hundred, uh, and five`
                compatibility_form,  # an accent on a digit is now on a letter
            ),
        ),
        Normalizer("cjk", (*_BASIC, joined_cjk)),
    )
}
"""`none` changes nothing; `basic` takes away case, punctuation and Unicode variants; `english` also spells numbers,
writes out contractions and leaves out hesitations; `cjk` is `basic` without spaces beside Chinese and Japanese."""


def find_normalizer(name: str) -> Normalizer:
    """Return the normaliser of a name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in NORMALIZERS:
        raise ConfigError(
            f"normalizer is {name!r}, expected one of {', '.join(NORMALIZERS)}; choose one of them"
        )
    return NORMALIZERS[name]
