"""Change a bundle in its place."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ctcasr.errors import BundleError
from ctcasr.runtime.bundle import DESCRIPTION, Bundle


def change_bundle(
    bundle: Bundle, fields: Mapping[str, object], write_files: Callable[[Path], None] | None = None
) -> None:
    """Change fields of a bundle's description, and replace the files that go with them.

    Each file appears whole or not at all, the description last.

    Args:
        bundle: to change.
        fields: new values of the description's, by name.
        write_files: writes files of the bundle into the folder that it is given.

    Raises:
        BundleError: the bundle's folder cannot be written to.
    """
    description = bundle.description.model_copy(update=fields)
    try:
        with tempfile.TemporaryDirectory(dir=bundle.folder, prefix=".change") as folder:
            made = Path(folder)
            if write_files is not None:
                write_files(made)
            files = sorted(made.iterdir())
            (made / DESCRIPTION).write_text(description.model_dump_json(indent=2) + "\n", encoding="utf-8")
            for path in [*files, made / DESCRIPTION]:
                path.replace(bundle.folder / path.name)
    except OSError as error:
        raise BundleError(
            f"{bundle.folder}: cannot be written ({error.strerror}); copy the bundle and change the copy"
        ) from error
