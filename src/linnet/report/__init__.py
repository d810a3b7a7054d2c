"""Figures and one HTML template."""

from ._figure import COLOURS as COLOURS, Figure as Figure, draw as draw
