"""Pool all the English that may be passed on into one set of manifests.

    python recipes/english/prepare.py --source DIR [--output recipes/english/data] [--digits-times 2]

DIR holds `speechocean762`, `kathleen_arctic` and `ljspeech_part`, each with its `manifest.jsonl`. AN4, the digits of
FSDD and mini LibriSpeech come from the manifests of their own recipes, prepared before. All texts get the normaliser
`basic`, and every recording is written anew as 16 kHz WAV, which each epoch reads several times as fast as Opus.

Parts: `train`; `dev`, to choose on; and a test for each corpus, `test-mini_librispeech` and so on. Speakers are held
out as the corpora's recipes say, and those of speechocean762 in `DEV_SPEAKERS`; corpora of one voice hold out prompts.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from ctcasr.cli.preparing import Parts, recipe_parser, write_parts
from ctcasr.data import Utterance, read_manifest
from ctcasr.data.converting import stored_as_wav
from ctcasr.errors import DataError
from ctcasr.text import NORMALIZERS

SAMPLE_RATE = 16_000
RECIPES = Path(__file__).parents[1]
PREPARED = ("mini_librispeech", "an4", "fsdd")

# Five women and girls, five men and boys, 6 to 24 years old.
DEV_SPEAKERS = frozenset({"0053", "0575", "1092", "1439", "2208", "2799", "3423", "6010", "9070", "9619"})
HELD_OUT_EVERY = 20
"""Of the corpora of one voice, every so manyth prompt is held out as test."""

Split = Callable[[dict[str, object]], str]


def read_prepared(folder: Path) -> Parts:
    """Return the utterances that the recipe of a corpus has listed.

    Raises:
        DataError: it was not run yet.
    """
    if not (folder / "train.jsonl").exists():
        raise DataError(f"{folder}: holds no train.jsonl; run {folder.parent / 'prepare.py'} first")
    return {part: read_manifest(folder / f"{part}.jsonl") for part in ("train", "dev", "test")}


def read_listed(folder: Path, split: Split) -> Parts:
    """Return the utterances of a corpus's own `manifest.jsonl`, divided as `split` says of each line."""
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        raise DataError(f"{manifest}: is not there; expected the corpus in a folder of its name in --source")
    parts: dict[str, list[Utterance]] = {"train": [], "dev": [], "test": []}
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    for utterance, row in zip(read_manifest(manifest), rows, strict=True):
        parts[split(row)].append(utterance)
    return parts


def split_speakers(row: dict[str, object]) -> str:
    """Divide speechocean762: its own test part, and some speakers of its training part as dev."""
    if row["split"] == "test":
        return "test"
    return "dev" if row["speaker"] in DEV_SPEAKERS else "train"


def split_prompts(row: dict[str, object]) -> str:
    """Divide a corpus of one voice: all recordings of a prompt go to the same part."""
    prompt = str(row.get("prompt_id") or row["audio_filepath"])
    number = int(re.findall(r"[0-9]+", prompt.removesuffix(".opus"))[-1])
    return "train" if number % HELD_OUT_EVERY else "test"


def corpora(source: Path, recipes: Path) -> Iterator[tuple[str, Parts]]:
    """Give the name and the parts of each corpus."""
    for name in PREPARED:
        yield name, read_prepared(recipes / name / "data")
    yield "speechocean762", read_listed(source / "speechocean762", split_speakers)
    for name in ("kathleen_arctic", "ljspeech_part"):
        yield name, read_listed(source / name, split_prompts)


def rewritten(utterance: Utterance, corpus: str, output: Path) -> Utterance:
    """Return an utterance with its text normalised and its recording as WAV."""
    path = output / "audio" / corpus / f"{utterance.id.replace('/', '_')}.wav"
    return replace(
        stored_as_wav(utterance, path, SAMPLE_RATE),
        id=f"{corpus}-{utterance.id}",
        text=NORMALIZERS["basic"](utterance.text),
        speaker=f"{corpus}-{utterance.speaker}",
        words=None,
    )


def read_parts(found: Iterator[tuple[str, Parts]], output: Path, digits_times: int) -> Parts:
    """Return the pooled training and dev utterances, and the test utterances of each corpus."""
    pooled: dict[str, list[Utterance]] = {"train": [], "dev": []}
    for corpus, parts in found:
        print(f"{corpus} ...", file=sys.stderr, flush=True)
        ours = {
            part: [rewritten(utterance, corpus, output) for utterance in utterances]
            for part, utterances in parts.items()
        }
        for time in range(digits_times if corpus == "fsdd" else 1):
            pooled["train"] += [_numbered(utterance, time) for utterance in ours["train"]]
        pooled["dev"] += ours["dev"]
        pooled[f"test-{corpus}"] = ours["test"]
    return pooled


def _numbered(utterance: Utterance, time: int) -> Utterance:
    return replace(utterance, id=f"{utterance.id}-{time}") if time else utterance


def main() -> int:
    """Run the command line."""
    parser = recipe_parser(__doc__, Path(__file__).parent)
    parser.add_argument("--digits-times", type=int, default=2, help="how often FSDD is heard in an epoch")
    parser.add_argument("--recipes", type=Path, default=RECIPES, help="folder of the recipes run before")
    arguments = parser.parse_args()
    return write_parts(
        lambda: read_parts(
            corpora(arguments.source, arguments.recipes), arguments.output, arguments.digits_times
        ),
        arguments.output,
    )


if __name__ == "__main__":
    sys.exit(main())
