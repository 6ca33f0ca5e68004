"""N-gram models in plain Python, from the papers: slow, and written without regard to how ctcasr does it."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

Words = tuple[str, ...]
Model = dict[Words, tuple[float, float]]
"""Natural log-probability and back-off weight of each n-gram."""


def ngrams_of(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Words]]:
    """Return how often each n-gram comes, order by order; `<s>` alone is not an n-gram."""
    counts: list[Counter[Words]] = [Counter() for _ in range(order)]
    for sentence in sentences:
        words = ("<s>", *sentence, "</s>")
        for end in range(2, len(words) + 1):
            for length in range(1, min(order, end) + 1):
                counts[length - 1][words[end - length : end]] += 1
    return counts


def adjusted(counts: list[Counter[Words]]) -> list[Counter[Words]]:
    """Return the counts that Kneser-Ney uses: different words before, but for the longest and after `<s>`."""
    result = []
    for length, found in enumerate(counts, 1):
        if length == len(counts):
            result.append(found)
            continue
        before = defaultdict(set)
        for words in counts[length]:
            before[words[1:]].add(words[0])
        result.append(
            Counter(
                {words: count if words[0] == "<s>" else len(before[words]) for words, count in found.items()}
            )
        )
    return result


def discount(found: Counter[Words]) -> Callable[[int], float]:
    """Return D(count) of modified Kneser-Ney (Chen and Goodman 1999), or KenLM's fallback."""
    n = [0, *(sum(count == wanted for count in found.values()) for wanted in (1, 2, 3, 4))]
    amounts = [0.0, 0.5, 1.0, 1.5]
    if n[1] and n[2] and n[3]:
        y = n[1] / (n[1] + 2 * n[2])
        own = [0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))]
        if all(0 < own[k] <= k for k in (1, 2, 3)):
            amounts = own
    return lambda count: amounts[min(count, 3)]


def interpolated(
    levels: list[Counter[Words]],
    vocabulary: Iterable[str],
    take: list[Callable[[int], float]],
    add: Callable[[int], float],
) -> Callable[[str, Words], float]:
    """Return p(word | context): each count loses `take`, each context gives what it took and `add` to the next."""
    size = len(set(vocabulary) - {"<s>"})
    after: list[dict[Words, dict[str, int]]] = []
    for found in levels:
        following: dict[Words, dict[str, int]] = defaultdict(dict)
        for words, count in found.items():
            following[words[:-1]][words[-1]] = count
        after.append(following)

    def prob(word: str, context: Words) -> float:
        context = context[max(0, len(context) - len(levels) + 1) :]
        below = prob(word, context[1:]) if context else 1 / size
        following = after[len(context)].get(context)
        if following is None:
            return below
        minus = take[len(context)]
        total = sum(count + add(count) for count in following.values())
        given = sum(minus(count) + add(count) for count in following.values())
        count = following.get(word, 0)
        return (count - (minus(count) if count else 0.0)) / total + given / total * below

    return prob


def kneser_ney(
    sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str]
) -> Callable[[str, Words], float]:
    """Return p(word | context) of interpolated modified Kneser-Ney."""
    levels = adjusted(ngrams_of(sentences, order))
    return interpolated(levels, vocabulary, [discount(found) for found in levels], lambda _: 0.0)


def witten_bell(
    sentences: Iterable[Sequence[str]], order: int, vocabulary: Iterable[str]
) -> Callable[[str, Words], float]:
    """Return p(word | context) of interpolated Witten-Bell smoothing."""
    levels = ngrams_of(sentences, order)
    return interpolated(levels, vocabulary, [lambda _: 0.0] * order, lambda _: 1.0)


def log_prob(model: Model, word: str, context: Words) -> float:
    """Return log p(word | context) of a back-off model (Katz 1987)."""
    if (*context, word) in model:
        return model[(*context, word)][0]
    if not context:
        return model[("<unk>",)][0]
    return model.get(context, (0.0, 0.0))[1] + log_prob(model, word, context[1:])


def perplexity_rise(model: Model, ngram: Words) -> float:
    """Return by what share the perplexity rises without an n-gram: Stolcke's (1998) divergence, summed in full."""
    context = ngram[:-1]
    without = {words: values for words, values in model.items() if words != ngram}
    vocabulary = [words[0] for words in model if len(words) == 1 and words[0] != "<s>"]
    listed = [other for other in vocabulary if (*context, other) in without]
    left = 1 - sum(math.exp(model[(*context, other)][0]) for other in listed)
    lower_left = 1 - sum(math.exp(log_prob(model, other, context[1:])) for other in listed)
    without[context] = (model[context][0], math.log(left / lower_left))
    history = 0.0
    for end in range(1, len(context) + 1):
        first = ("</s>",) if context[:end] == ("<s>",) else context[:end]
        history += model[first][0]
    divergence = 0.0
    for other in vocabulary:
        before, after = log_prob(model, other, context), log_prob(without, other, context)
        divergence += math.exp(history + before) * (before - after)
    return math.expm1(divergence)
