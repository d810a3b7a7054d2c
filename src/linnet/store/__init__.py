"""Run folders: one folder a run, the folder is the truth."""

from ._checkpointer import FolderCheckpointer as FolderCheckpointer
from ._data import read_data as read_data, write_data as write_data
from ._files import StoreError as StoreError, sentence as sentence, write as write
from ._identity import file_digest as file_digest, identity as identity
from ._index import find_run as find_run, runs as runs
from ._run import (
    CITATIONS as CITATIONS,
    CONFIG as CONFIG,
    FAILED as FAILED,
    FINISHED as FINISHED,
    INTERRUPTED as INTERRUPTED,
    RUNNING as RUNNING,
    RunFolder as RunFolder,
    begin as begin,
)
from ._stage import cut_metrics as cut_metrics, stage as stage
