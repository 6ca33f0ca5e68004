"""Word error rates by group of speakers: who is understood, and who is not.

    python recipes/english/groups.py --source DIR HYPOTHESES... [--data recipes/english/data]

HYPOTHESES are texts with `id words` lines, as `ctcasr evaluate --hypotheses` writes them, of the test manifests. DIR
has `mini_librispeech` and `speechocean762`, whose lists say the gender and the age of each speaker. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from ctcasr.data import Utterance, read_manifest
from ctcasr.errors import CtcAsrError
from ctcasr.scoring import read_texts, score

DATA = Path(__file__).parent / "data"
GENDERS = {"m": "men", "f": "women"}
CHILD, TEENAGER = 12, 17
"""Oldest child and teenager."""


def native_groups(speakers: Path) -> dict[str, str]:
    """Return the groups of LibriSpeech's speakers, by its `SPEAKERS.TXT`."""
    groups = {}
    for line in speakers.read_text(encoding="utf-8").splitlines():
        if not line.startswith(";"):
            speaker, gender, *_ = (field.strip() for field in line.split("|"))
            groups[f"mini_librispeech-{speaker}"] = f"audio books, {GENDERS[gender.lower()]}"
    return groups


def learner_groups(manifest: Path) -> dict[str, str]:
    """Return the groups of speechocean762's speakers, by its manifest."""
    groups = {}
    for line in manifest.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        adult = GENDERS[row["gender"]]
        young = f"children to {CHILD} years" if row["age"] <= CHILD else f"{CHILD + 1} to {TEENAGER} years"
        groups[f"speechocean762-{row['speaker']}"] = (
            f"Mandarin speakers, {adult if row['age'] > TEENAGER else young}"
        )
    return groups


def table(
    utterances: Sequence[Utterance], hypotheses: Mapping[str, str], groups: Mapping[str, str]
) -> list[str]:
    """Return the lines of the table; utterances of speakers without a group are left out."""
    members: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        group = groups.get(utterance.speaker or "")
        if group is not None and utterance.id in hypotheses:
            members[group].append(utterance)
    lines = ["| group | speakers | words | WER % |", "|---|---|---|---|"]
    for group, found in sorted(members.items()):
        references = {utterance.id: utterance.text for utterance in found}
        counts = score(references, {name: hypotheses[name] for name in references}, "word").counts
        speakers = len({utterance.speaker for utterance in found})
        lines.append(f"| {group} | {speakers} | {counts.reference_length:,} | {100 * counts.rate:.2f} |")
    return lines


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("hypotheses", type=Path, nargs="+", help="`id words` lines")
    parser.add_argument("--source", type=Path, required=True, help="folder of the corpora")
    parser.add_argument("--data", type=Path, default=DATA, help="the manifests of prepare.py")
    arguments = parser.parse_args()
    try:
        found = {name: text for path in arguments.hypotheses for name, text in read_texts(path).items()}
        utterances = [
            utterance
            for manifest in sorted(arguments.data.glob("test-*.jsonl"))
            for utterance in read_manifest(manifest)
        ]
        groups = native_groups(arguments.source / "mini_librispeech/LibriSpeech/SPEAKERS.TXT")
        groups |= learner_groups(arguments.source / "speechocean762/manifest.jsonl")
        print("\n".join(table(utterances, found, groups)))
    except (CtcAsrError, OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
