"""Configuration files: TOML in, settings out, every mistake named."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ctcasr.errors import ConfigError
from ctcasr.runtime import bundled_names, find_bundle
from ctcasr.training.config import TrainingConfig

_LONGEST_SHOWN = 60


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Read a configuration file and apply overrides; relative paths become relative to the file's folder.

    Args:
        path: a TOML file.
        overrides: `section.key=value`, the value written as in TOML; a bare word counts as text.

    Raises:
        ConfigError: the file, a key or a value is wrong; names the file, the key and the nearest valid key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); expected a TOML configuration"
        ) from error
    except (ValueError, RecursionError) as error:  # ValueError: also of an integer of thousands of digits
        raise ConfigError(f"{path}: is not valid TOML: {error}") from error
    for override in overrides:
        _apply(values, override)
    try:
        config = TrainingConfig.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error)}") from error
    return _anchored(config, path.parent)


def _apply(values: dict[str, Any], override: str) -> None:
    name, equals, text = override.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and section and key):
        raise ConfigError(
            f"override {override!r} is not of the form section.key=value, e.g. optimizer.epochs=40"
        )
    if not override.isascii() and any("\ud800" <= character <= "\udfff" for character in override):
        raise ConfigError(f"override {override!r} is not Unicode text; give {section}.{key} in UTF-8")
    try:
        fields = tomllib.loads(f"value = {text}")
        value = fields["value"] if len(fields) == 1 else text  # a second line is no value
    except (ValueError, RecursionError):
        value = text
    table = values.setdefault(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"override {override!r}: {section} is not a section")
    table[key] = value


def _anchored(config: TrainingConfig, folder: Path) -> TrainingConfig:
    data = config.data.model_copy(
        update={"train": folder / config.data.train, "dev": folder / config.data.dev}
    )
    run = config.run.model_copy(update={"folder": folder / config.run.folder})
    if run.start_from is not None:
        run = run.model_copy(update={"start_from": _model(run.start_from, folder)})
    text, frames = config.text, config.frames
    if text.lexicon is not None:
        text = text.model_copy(update={"lexicon": folder / text.lexicon})
    if frames.aligner is not None:
        frames = frames.model_copy(update={"aligner": _model(frames.aligner, folder)})
    return config.model_copy(update={"data": data, "text": text, "frames": frames, "run": run})


def _model(named: Path, folder: Path) -> Path:
    """Return the folder that a setting names: relative to the configuration, or a bundle of the package."""
    own = folder / named
    return find_bundle(named) if str(named) in bundled_names() and not own.is_dir() else own


def _explain(error: ValidationError) -> str:
    """Say the first mistake in one sentence, and how many more there are."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        valid = _keys_beside(tuple(first["loc"]))
        near = difflib.get_close_matches(str(first["loc"][-1]), valid, n=1, cutoff=0.0)
        sentence = f"unknown key {place!r}; the nearest valid key is {near[0]!r}"
    elif first["type"] == "missing":
        sentence = f"the key {place!r} is missing"
    elif first["type"] == "value_error":
        sentence = f"{place}: {first['ctx']['error']}" if place else str(first["ctx"]["error"])
    else:
        found = json.dumps(first["input"], default=str)
        if len(found) > _LONGEST_SHOWN:
            found = found[:_LONGEST_SHOWN] + "..."
        sentence = f"{place} = {found}: {first['msg'].lower()}"
    more = error.error_count() - 1
    return sentence + (f" ({more} more to mend)" if more else "")


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: Any = TrainingConfig
    for part in location[:-1]:
        model = model.model_fields[part].annotation
    return list(model.model_fields)
