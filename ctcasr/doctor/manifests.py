"""Reading a manifest line by line, with what is wrong in it as findings and not as an error."""

from __future__ import annotations

from pathlib import Path

from ctcasr.data import Utterance, parse_utterance
from ctcasr.doctor.findings import Finding
from ctcasr.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_leniently(path: Path) -> tuple[list[Utterance], list[Finding]]:
    """Return the utterances that can be read, each id once, and what is wrong with the others and the file.

    Raises:
        DataError: the file cannot be opened.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    findings = []
    if content.startswith(_BYTE_ORDER_MARK):
        findings.append(
            Finding("manifest-bom", path.name, "begins with a byte order mark; write it as plain UTF-8")
        )
        content = content.removeprefix(_BYTE_ORDER_MARK)
    lines = content.split(b"\n")
    crlf = sum(line.endswith(b"\r") for line in lines)
    if crlf:
        findings.append(Finding("manifest-crlf", path.name, f"{crlf} lines end in CRLF; convert them to LF"))
    utterances: dict[str, Utterance] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            utterance = parse_utterance(line.decode("utf-8"), path, where)
        except (DataError, UnicodeDecodeError) as error:
            findings.append(Finding("manifest-line", where, str(error)))
            continue
        if utterance.id in utterances:
            first = utterances[utterance.id].where
            findings.append(
                Finding(
                    "duplicate-id",
                    where,
                    f"the id stands already in {first}; rename or drop it",
                    utterance.id,
                )
            )
            continue
        utterances[utterance.id] = utterance
    return list(utterances.values()), findings
