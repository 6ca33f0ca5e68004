"""Scores on held-out speakers while a model trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from accelerate.utils import gather_object
from torch import nn

from ctcasr.decoding import greedy
from ctcasr.decoding.topology import Topology
from ctcasr.scoring import Unit, score
from ctcasr.training.batching import plan_batches
from ctcasr.training.dataset import SpeechDataset
from ctcasr.training.feeding import Feeder
from ctcasr.training.objectives import Objective
from ctcasr.training.problems import ProblemLog
from ctcasr.training.tasks import Evaluation


@dataclass(frozen=True)
class DevSet:
    """What a network is evaluated on: a data set, its objective, and what the outputs stand for."""

    dataset: SpeechDataset
    objective: Objective
    topology: Topology


@torch.inference_mode()
def evaluate(network: nn.Module, feeder: Feeder, problem_log: ProblemLog, dev: DevSet) -> Evaluation:
    """Decode the dev set greedily in float32 and score it; unusable utterances count as unrecognised.

    Its error is the character error rate; of phones both rates are, if they are written.

    Raises:
        DataError: too many of them are unusable.
    """
    dataset, vocabulary = dev.dataset, feeder.vocabulary
    plan = plan_batches(
        [utterance.duration_seconds for utterance in dataset.utterances],
        feeder.config.batches.seconds,
        processes=feeder.accelerator.num_processes,
    )
    network.eval()
    loss, sizes = 0.0, 0.0
    texts: dict[int, str] = {}
    problems: dict[int, str] = {}
    for batch in feeder.batches(dataset, plan, -1):
        log_probs, input_lengths = network(*feeder.features(batch))
        losses = dev.objective.losses(log_probs, input_lengths, batch)
        loss += float((losses * batch.weights).sum())
        sizes += float((dev.objective.sizes(input_lengths, batch) * batch.weights).sum())
        for row, index in enumerate(batch.examples):
            frames = log_probs[row, : int(input_lengths[row])].cpu().numpy()
            ids = greedy(dev.topology.merged(frames)).ids
            texts[index] = vocabulary.decode(ids) if batch.weights[row] else ""
        problems |= dict(batch.problems)
        problem_log.check_early(problems, dataset.utterances, feeder.config.data.dev)
    problem_log.check(problems, dataset.utterances, feeder.config.data.dev)
    all_texts: dict[int, str] = {}
    for part in gather_object([(loss, sizes, texts)]):
        # A process without a share decoded an utterance of another with weight zero: its text is empty.
        all_texts |= {index: text for index, text in part[2].items() if text or index not in all_texts}
    total = feeder.accelerator.reduce(
        torch.tensor([loss, sizes], device=feeder.accelerator.device), "sum"
    ).tolist()
    references = {
        utterance.id: vocabulary.decode(vocabulary.encode(utterance.text)) for utterance in dataset.utterances
    }
    hypotheses = {dataset.utterances[index].id: " ".join(text.split()) for index, text in all_texts.items()}
    units: tuple[Unit, Unit] = ("phone", "phone") if vocabulary.units == "phone" else ("word", "char")
    words, characters = (score(references, hypotheses, unit) for unit in units)
    rates = {"wer": words.rate, "cer": characters.rate}
    return Evaluation(total[0] / max(1.0, total[1]), rates, characters.rate)
