"""The learning rate of the networks that are trained by steps."""

#: The default, as a part of the largest stable one: descent then lags behind the flow by about half of this.
DEFAULT_PART = 0.05


def check_rate(rate: float | None, largest: float) -> float:
    """The rate to train with.

    Raises:
        ValueError: if the asked-for rate diverges.
    """
    if rate is None:
        return DEFAULT_PART * largest
    if rate > largest:
        raise ValueError(
            f"A learning rate of {rate:g} diverges on these data: the largest stable one is {largest:.4g}. "
            f"Choose a smaller --rate, or leave it out for {DEFAULT_PART * largest:.2g}."
        )
    return rate
