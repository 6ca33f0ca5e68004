"""The report: what its data say, that nothing in it can break out, and how it looks to a browser."""

import base64
import json
import random
import re
import shutil
import subprocess

import numpy as np
import pytest
import soundfile as sf

from ctcasr.data import Utterance
from ctcasr.report import ReportSettings, report_html
from ctcasr.report.page import worst_utterances
from ctcasr.report.slices import Traits, confusions, slices
from ctcasr.report.sounds import clip, estimated_ratio_db
from ctcasr.scoring import Result, score

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page with")


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def noise(seconds, loudness, seed=0):
    return (loudness * np.random.default_rng(seed).standard_normal(round(16000 * seconds))).astype(np.float32)


@pytest.fixture
def corpus(tmp_path):
    """Twelve utterances of three speakers; the first is a nasty one."""
    references, hypotheses, utterances = {}, {}, []
    for number in range(12):
        identity = f"u{number}" if number else "</script><b>&'\""
        references[identity] = "one two three"
        hypotheses[identity] = "one too three four" if number % 2 else "one two three"
        path = tmp_path / f"{number}.wav"
        sf.write(path, np.concatenate([noise(0.5, 0.001), noise(0.5 + number / 10, 0.1)]), 16000)
        seconds = 1.0 + number / 10
        utterances.append(Utterance(identity, path, seconds, references[identity], speaker=f"s{number % 3}"))
    hypotheses["</script><b>&'\""] = "<!-- </script> \u2028 x y"
    return score(references, hypotheses, "word"), utterances


def test_the_page_holds_everything_and_nothing_breaks_out(corpus):
    result, utterances = corpus
    heard = []
    page = report_html(Result.of([result]), utterances, ReportSettings("<a & b>"), lambda: heard.append(1))
    assert len(heard) == 12
    assert "<h1>&lt;a &amp; b&gt;</h1>" in page
    assert page.count("</script>") == 2
    assert not re.search(r"(src|href)=[\"']?(http|//)|url\(|@import|fetch\(|XMLHttp", page)
    assert "{{" not in page
    data = data_of(page)
    assert data["systems"] == ["first"]
    assert data["headline"]["systems"][0] == {
        "rate": result.rate, "mer": result.counts.match_error_rate, "length": 36, "sub": result.counts.substitutions,
        "del": 0, "ins": result.counts.insertions, "sentences": 12, "wrong": 7,
    }  # fmt: skip
    first = data["utterances"][0]
    assert first[:2] == ["</script><b>&'\"", "one two three"]
    assert first[2][0][1] == "<!-- </script> x y"
    assert sorted(first[2][0][0]) == list("isss")
    assert first[3] == "s0"
    assert first[4] == 1.0
    assert data["utterances"][1][2] == [["=s=i", "one too three four"]]
    assert data["worst"][0] == 0
    assert len(data["worst"]) == len(data["clips"]) == 7
    sound = data["clips"]["u1"]
    assert sound["seconds"] == 1.1
    assert len(base64.b64decode(sound["picture"])) == 64 * sound["columns"]


def test_unreadable_audio_leaves_out_the_sound(corpus):
    result, utterances = corpus
    for utterance in utterances:
        utterance.audio_path.unlink()
    data = data_of(report_html(Result.of([result]), utterances, ReportSettings("x")))
    assert data["clips"] == {}
    assert data["utterances"][0][5] is None


def test_infinite_rates_and_characters():
    result = score({"u": "", "v": ""}, {"u": "好 a", "v": ""}, "char")
    data = data_of(report_html(Result.of([result]), [], ReportSettings("x")))
    assert data["headline"]["systems"][0]["rate"] is None
    assert data["utterances"][0][:3] == ["u", "", [["iii", "好 a"]]]


def test_slices_cover_everything_once(corpus):
    result, utterances = corpus
    listed = {utterance.id: utterance for utterance in utterances}
    ratios = {identity: float(number) for number, identity in enumerate(listed)}
    found = slices(result, Traits(listed, ratios, frozenset({"one", "two"})))
    for kind in ("speaker", "duration", "signal to noise", "speaking rate", "vocabulary"):
        parts = [part.score for part in found if part.kind == kind]
        assert sum(len(part.utterances) for part in parts) == 12, kind
        assert sum((part.counts.errors for part in parts), 0) == result.counts.errors
    assert [part.name for part in found if part.kind == "vocabulary"] == ["with unknown words"]
    rates = [part.score.rate for part in found if part.kind == "speaker"]
    assert rates == sorted(rates, reverse=True)


def test_confusions_are_counted():
    result = score({"u": "a b a", "v": "a c", "w": "c"}, {"u": "x b x", "v": "x c", "w": "c um"}, "word")
    assert confusions(result.utterances)["substitute"][0] == ("a", "x", 3)
    assert sum(count for entries in confusions(result.utterances).values() for *_, count in entries) == 4


def test_worst_first():
    references = dict.fromkeys("pqrs", "a b c d")
    hypotheses = {"p": "a b c d", "q": "a b c", "r": "x y z", "s": "a b x d"}
    result = score(references, hypotheses, "word")
    assert [part.id for part in worst_utterances(result, 3)] == ["r", "q", "s"]


def test_noise_is_estimated():
    speech = np.concatenate([noise(1, 0.001), noise(1, 0.1, 1)])
    assert estimated_ratio_db(speech) == pytest.approx(40, abs=2)
    assert estimated_ratio_db(noise(1, 0.1)) < 5
    assert estimated_ratio_db(np.zeros(16000, np.float32)) is None
    assert estimated_ratio_db(noise(0.1, 0.1)) is None


def test_a_long_clip_has_no_more_columns():
    assert clip(noise(1, 0.1)).columns == 101
    assert clip(noise(28, 0.1)).columns <= 710


def dom(page, tmp_path):
    """Open a page in a browser and return its elements once they are drawn."""
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@needs_browser
@pytest.mark.minutes
def test_a_browser_draws_it(corpus, tmp_path):
    result, utterances = corpus
    other = score(
        {u.id: u.reference for u in result.utterances}, {u.id: "one" for u in result.utterances}, "word"
    )
    page = report_html(Result.of([result], other=other), utterances, ReportSettings("x", ("ours", "theirs")))
    drawn = dom(page, tmp_path)
    assert "data-ready=" in drawn
    assert drawn.count('class="card"') == 7 + 12
    assert drawn.count("<audio") == 7
    assert "[object" not in drawn
    assert "undefined" not in drawn.partition('<script type="application/json"')[0]
    assert "ours is better in 5 utterances, theirs in 1; the other 6" in drawn


@needs_browser
@pytest.mark.minutes
def test_five_thousand_utterances_are_drawn_within_two_seconds(tmp_path):
    source = random.Random(1)
    words = [f"word{number}" for number in range(50)]
    references = {f"u{n}": " ".join(source.choices(words, k=source.randint(3, 40))) for n in range(5000)}
    hypotheses = {
        identity: " ".join(word for word in text.split() if source.random() > 0.1)
        for identity, text in references.items()
    }
    page = report_html(Result.of([score(references, hypotheses, "word")]), [], ReportSettings("x"))
    milliseconds = int(re.search(r'data-ready="(\d+)"', dom(page, tmp_path))[1])
    assert milliseconds < 2000
