"""XLA's older code for loops: asked for where it was tried, and never over what the user said."""

import importlib.metadata
import os
import subprocess
import sys

from linnet import prefer_quick_loops

FLAG = "--xla_cpu_use_fusion_emitters"


def test_flags_of_the_user_stay(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.10.9")
    monkeypatch.setenv("XLA_FLAGS", "--some_flag=1")
    assert prefer_quick_loops() and prefer_quick_loops()
    assert os.environ["XLA_FLAGS"] == f"--some_flag=1 {FLAG}=false"
    monkeypatch.setenv("XLA_FLAGS", f"{FLAG}=true")
    assert prefer_quick_loops() and os.environ["XLA_FLAGS"] == f"{FLAG}=true"


def test_releases_in_which_it_was_not_tried_are_not_asked(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.12.0")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    assert not prefer_quick_loops() and "XLA_FLAGS" not in os.environ


def test_xla_takes_it():
    program = "import linnet, os; linnet.prefer_quick_loops(); import jax.numpy as jnp; print(jnp.arange(4.0).sum())"
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert run.returncode == 0 and run.stdout.strip() == "6.0", run.stderr
