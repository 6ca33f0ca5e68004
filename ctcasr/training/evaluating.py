"""Scores on held-out speakers, and on a sample of those trained on, while a model trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import nn

from ctcasr.decoding import greedy
from ctcasr.decoding.topology import Topology
from ctcasr.scoring import Unit, score
from ctcasr.text import BLANK_ID
from ctcasr.training.batching import plan_batches
from ctcasr.training.dataset import SpeechDataset
from ctcasr.training.feeding import Feeder
from ctcasr.training.objectives import Objective
from ctcasr.training.problems import ProblemLog
from ctcasr.training.stopping import shielded
from ctcasr.training.tasks import Evaluation


@dataclass(frozen=True)
class ScoredSet:
    """What a network is scored on.

    Attributes:
        manifest: where the utterances stand.
        dataset: all of them.
        chosen: the numbers of those that are scored.
        objective: of the data set.
        topology: what the outputs stand for.
    """

    manifest: Path
    dataset: SpeechDataset
    chosen: Sequence[int]
    objective: Objective
    topology: Topology


def sample(count: int, most: int) -> range:
    """Return the numbers of up to `most` of `count` examples, evenly spread."""
    return range(0, count, max(1, -(-count // most)))


@torch.inference_mode()
def evaluate(network: nn.Module, feeder: Feeder, problem_log: ProblemLog, scored: ScoredSet) -> Evaluation:
    """Decode utterances greedily in float32 and score them; unusable ones count as unrecognised.

    The error is the character error rate; of phones both rates are, if they are written. `blank_share` is the share of
    the frames whose most probable symbol is the blank.

    Raises:
        DataError: too many of them are unusable.
    """
    dataset, vocabulary, utterances = scored.dataset, feeder.vocabulary, scored.dataset.utterances
    durations = [utterances[number].duration_seconds for number in scored.chosen]
    processes = feeder.accelerator.num_processes
    plan = [
        [scored.chosen[place] for place in batch]
        for batch in plan_batches(durations, feeder.config.batches.seconds, processes=processes)
    ]
    network.eval()
    sums = np.zeros(4)  # of the losses, of their sizes, of the frames that are blank, of all frames
    texts: dict[int, str] = {}
    problems: dict[int, str] = {}
    for batch in feeder.batches(dataset, plan, -1):
        with shielded():
            log_probs, input_lengths = network(*feeder.features(batch))
        losses = scored.objective.losses(log_probs, input_lengths, batch)
        sums[0] += float((losses * batch.weights).sum())
        sums[1] += float((scored.objective.sizes(input_lengths, batch) * batch.weights).sum())
        for row, index in enumerate(batch.examples):
            if not batch.weights[row]:
                texts[index] = ""
                continue
            symbols = scored.topology.merged(log_probs[row, : int(input_lengths[row])].cpu().numpy())
            sums[2:] += (symbols.argmax(-1) == BLANK_ID).sum(), len(symbols)
            texts[index] = vocabulary.decode(greedy(symbols).ids)
        problems |= dict(batch.problems)
        problem_log.check_early(problems, utterances, scored.manifest)
    problem_log.check(problems, utterances, scored.manifest)
    all_texts: dict[int, str] = {}
    for part in gather_object([texts]):
        # A process without a share decoded an utterance of another with weight zero: its text is empty.
        all_texts |= {index: text for index, text in part.items() if text or index not in all_texts}
    totals = torch.from_numpy(sums).to(feeder.accelerator.device, torch.float32)
    loss, size, blanks, frames = feeder.accelerator.reduce(totals, "sum").tolist()
    references = {
        utterances[index].id: vocabulary.decode(vocabulary.encode(utterances[index].text))
        for index in scored.chosen
    }
    hypotheses = {utterances[index].id: " ".join(text.split()) for index, text in all_texts.items()}
    units: tuple[Unit, Unit] = ("phone", "phone") if vocabulary.units == "phone" else ("word", "char")
    words, characters = (score(references, hypotheses, unit) for unit in units)
    rates = {"wer": words.rate, "cer": characters.rate}
    return Evaluation(
        loss / max(1.0, size), rates, characters.rate, {"blank_share": blanks / max(1.0, frames)}
    )
