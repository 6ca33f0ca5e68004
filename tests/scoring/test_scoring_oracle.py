"""The oracle of the scoring tests, on cases worked by hand."""

import pytest

from tests.oracles.edit_distance import edit_distance


@pytest.mark.parametrize(
    ("reference", "hypothesis", "distance"),
    [
        ("", "", 0),
        ("abc", "", 3),
        ("", "abc", 3),
        ("a", "a", 0),
        ("a", "b", 1),
        ("ab", "ba", 2),  # no transposition: two substitutions, or one deletion and one insertion
        ("abc", "bcd", 2),  # one deletion in front and one insertion behind beat three substitutions
        ("kitten", "sitting", 3),  # k->s, e->i, +g
        ("saturday", "sunday", 3),  # -a, -t, r->n
        ("intention", "execution", 5),  # -i, n->e, t->x, +c, n->u
        ("aaaa", "aa", 2),
    ],
)
def test_hand_worked_distances(reference, hypothesis, distance):
    assert edit_distance(reference, hypothesis) == distance
    assert edit_distance(hypothesis, reference) == distance


def test_tokens_are_compared_whole():
    assert edit_distance(["ab", "c"], ["a", "bc"]) == 2
    assert edit_distance(["", " "], [" "]) == 1


def test_weights_change_what_is_least():
    # Three substitutions, or two insertions and two deletions around the one match.
    assert edit_distance("abc", "cxy") == 3
    assert edit_distance("abc", "cxy", substitution=4, gap=3) == 12
    assert edit_distance("abcd", "dabc", substitution=4, gap=3) == 6
