"""When two runs are the same run: equal configuration, equal content of the input files, equal version of linnet."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._version import __version__

#: How many characters of the identity the name of a run folder carries.
SHORT = 8


def file_digest(path: str | Path) -> str:
    """The SHA-256 of a file's content, read in blocks.

    Raises:
        ValueError: if the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {path}: check the path (the working folder is {Path.cwd()}).") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): name a readable file.") from error


def identity(config: Mapping[str, Any], inputs: Mapping[str, str] | None = None, version: str = __version__) -> str:
    """The hash that identifies a run.

    Where the input files lie does not matter, and neither does the order of the settings.

    Args:
        config: the resolved configuration, of plain values.
        inputs: the `file_digest` of each input file by its role (not by its path).
        version: linnet's version.

    Returns:
        64 hexadecimal digits.
    """
    content = {"config": config, "inputs": dict(inputs or {}), "linnet": version}
    # repr of a float is its shortest exact form, so equal numbers hash equally and different ones differently.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
