"""The version, alone in a file: read by the build and by the CLI, neither of which may import JAX."""

__version__ = "0.1.0"
