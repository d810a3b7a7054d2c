"""The settings of `linnet phase`."""

import dataclasses

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class PhaseConfig:
    """All that decides a phase diagram. What is left out is chosen when the study is known.

    Args:
        study: the study.
        preset: the preset of the study's other settings.
        x: the parameter along the horizontal axis; by default the study's first.
        y: the parameter along the vertical axis; by default its second.
        scalar: the number that is drawn; by default the study's first.
        x_range: first and last value of x, with a comma between them; by default the axis' own.
        y_range: the same of y.
        cells: points along x and along y, one number for both; by default 32, or 3 where the whole study runs at every
            point.
        seeds: members at every point; by default 8, or 1 where the whole study runs.
        seed: the seed of everything random.
    """

    study: str = ""
    preset: str = "default"
    x: str | None = None
    y: str | None = None
    scalar: str | None = None
    x_range: tuple[float, ...] = ()
    y_range: tuple[float, ...] = ()
    cells: tuple[int, ...] = ()
    seeds: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, cells=2, seeds=1, seed=0)
        for name in ("x_range", "y_range"):
            ends = getattr(self, name)
            if len(ends) not in (0, 2):
                raise ValueError(
                    f"--{name.replace('_', '-')} needs a first and a last value, such as 0.01,1; got {len(ends)}."
                )
        if len(self.cells) > 2:
            raise ValueError(f"--cells needs one number or two (along x and along y), got {len(self.cells)}.")
        if self.x is not None and self.x == self.y:
            raise ValueError(f"--x and --y must be two parameters, got {self.x} twice.")
