"""How many features there are within a layer that widens its inputs."""


def inner_size(name: str, argument: str, hidden_size: int, factor: float) -> int:
    """The features within a layer, a factor times those outside, rounded.

    Args:
        name: of the layer, for the message.
        argument: the name of the factor.
        hidden_size: features outside.
        factor: of how much there are more.

    Raises:
        ValueError: if there is not at least one feature outside and within.
    """
    if hidden_size < 1:
        raise ValueError(f"{name} needs a hidden_size of at least 1, got {hidden_size}.")
    inner = round(hidden_size * factor)
    if inner < 1:
        raise ValueError(
            f"{name} needs {argument} times hidden_size to be at least 1 feature, got {factor} times {hidden_size}."
        )
    return inner
