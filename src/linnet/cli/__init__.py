"""The command line: `linnet learn | study | list | show | compare | cite | info`."""

from ._main import main as main
