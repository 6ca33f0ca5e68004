"""The page, in headless Chromium with a microphone that plays the sample."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import srt
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(sample: Path, downloads: Path) -> Iterator[WebDriver]:
    said, rate = sf.read(sample)
    microphone = downloads / "said.wav"
    sf.write(microphone, np.concatenate((said, np.zeros(rate * 8))), rate)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--window-size=900,900",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


def wait(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def text(browser: WebDriver, place: str) -> str:
    return browser.find_element(By.ID, place).text


def test_a_file_is_transcribed_and_played(
    browser: WebDriver, address: str, sample: Path, spoken: str, downloads: Path
) -> None:
    browser.get(address)
    browser.find_element(By.ID, "file").send_keys(str(sample))
    wait(lambda: text(browser, "words") == spoken)
    assert text(browser, "name") == "sample.wav"
    wait(lambda: browser.execute_script("return peaks.length") > 100)
    links = browser.find_elements(By.CSS_SELECTOR, "#downloads a")
    assert [link.get_attribute("download") for link in links] == [
        f"sample.{s}" for s in ("srt", "vtt", "txt", "tsv")
    ]
    links[0].click()
    saved = downloads / "sample.srt"
    wait(saved.is_file)
    assert " ".join(cue.content for cue in srt.parse(saved.read_text())) == spoken
    browser.find_element(By.ID, "play").click()
    lit: set[str] = set()

    def all_lit() -> bool:
        lit.update(one.text for one in browser.find_elements(By.CSS_SELECTOR, "#words .now"))
        return len(lit) >= 3

    wait(all_lit, 30)
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_an_error_is_shown(browser: WebDriver, address: str, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no sound at all" * 30)
    browser.get(address)
    browser.find_element(By.ID, "file").send_keys(str(tmp_path / "bad.wav"))
    wait(lambda: "holds no audio" in text(browser, "state"))
    assert not browser.find_element(By.ID, "result").is_displayed()


def test_speech_is_recognised_while_it_is_said(browser: WebDriver, address: str) -> None:
    browser.get(address)
    browser.find_element(By.ID, "speak").click()
    wait(lambda: len(text(browser, "words").split()) >= 2)
    time.sleep(2)
    browser.find_element(By.ID, "speak").click()
    wait(lambda: text(browser, "name") == "Your voice.wav" and len(text(browser, "words").split()) >= 3)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#downloads a")) == 4
