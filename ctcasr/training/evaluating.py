"""Scores on held-out speakers while a model trains."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from accelerate.utils import gather_object

from ctcasr.decoding import greedy
from ctcasr.models import AcousticModel, ctc_loss
from ctcasr.scoring import score
from ctcasr.training.batching import plan_batches
from ctcasr.training.dataset import SpeechDataset
from ctcasr.training.feeding import Feeder
from ctcasr.training.problems import ProblemLog


@dataclass(frozen=True)
class Evaluation:
    """Loss (nats a symbol) and error rates on a manifest."""

    loss: float
    word_error_rate: float
    character_error_rate: float


@torch.inference_mode()
def evaluate(
    network: AcousticModel, feeder: Feeder, problem_log: ProblemLog, dataset: SpeechDataset
) -> Evaluation:
    """Decode the dev set greedily in float32 and score it; unusable utterances count as unrecognised.

    Raises:
        DataError: too many of them are unusable.
    """
    plan = plan_batches(
        [utterance.duration_seconds for utterance in dataset.utterances],
        feeder.config.batches.seconds,
        processes=feeder.accelerator.num_processes,
    )
    network.eval()
    loss, symbols = 0.0, 0.0
    texts: dict[int, str] = {}
    problems: dict[int, str] = {}
    for batch in feeder.batches(dataset, plan, -1):
        log_probs, input_lengths = network(*feeder.features(batch))
        losses = ctc_loss(log_probs, input_lengths, batch.targets, batch.target_lengths)
        loss += float((losses * batch.weights).sum())
        symbols += float((batch.target_lengths * batch.weights).sum())
        for row, index in enumerate(batch.utterances):
            frames = log_probs[row, : int(input_lengths[row])].cpu().numpy()
            texts[index] = feeder.vocabulary.decode(greedy(frames).ids) if batch.weights[row] else ""
        problems |= dict(batch.problems)
        problem_log.check_early(problems, dataset.utterances, feeder.config.data.dev)
    problem_log.check(problems, dataset.utterances, feeder.config.data.dev)
    all_texts: dict[int, str] = {}
    for part in gather_object([(loss, symbols, texts)]):
        # A process without a share decoded an utterance of another with weight zero: its text is empty.
        all_texts |= {index: text for index, text in part[2].items() if text or index not in all_texts}
    total = feeder.accelerator.reduce(
        torch.tensor([loss, symbols], device=feeder.accelerator.device), "sum"
    ).tolist()
    references = {utterance.id: utterance.text for utterance in dataset.utterances}
    hypotheses = {dataset.utterances[index].id: " ".join(text.split()) for index, text in all_texts.items()}
    words, characters = (score(references, hypotheses, unit) for unit in ("word", "char"))
    return Evaluation(total[0] / max(1.0, total[1]), words.rate, characters.rate)
