"""Draw a terminal in which a new user transcribes: the commands are run, and their true output is drawn.

E.g. `python scripts/picture_first_steps.py docs/first-steps.svg`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ctcasr.runtime import find_bundle

COMMANDS = (
    "ctcasr transcribe talk.wav",
    "ctcasr transcribe talk.wav -f srt",
    "ctcasr transcribe talk.wav --numbers",
    "ctcasr transcribe talk.wav -f all -o out",
    "ls out",
    "ctcasr transcribe missing.wav talk.wav",
)


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=88, file=io.StringIO(), force_terminal=True)
    console.print("[bold green]$[/] [bold]pip install ctcasr[/]")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(find_bundle(None).parent / "sample.wav", Path(folder, "talk.wav"))
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
            program, *arguments = command.split()
            run = [sys.executable, "-m", "ctcasr.cli.main"] if program == "ctcasr" else [program]
            done = subprocess.run([*run, *arguments], cwd=folder, capture_output=True, text=True)
            if shown := (done.stdout + done.stderr).rstrip("\n"):
                console.print(Text(shown))
    drawn = console.export_svg(title="ctcasr")
    # Without fonts from elsewhere, and the comment that names rich's publisher.
    drawn = re.sub(r"@font-face \{.*?\}|<!--.*?-->", "", drawn, flags=re.DOTALL)
    Path(sys.argv[1]).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    main()
