"""The error of a user's input: one sentence that says what was needed, what was got and what to do."""


class InputError(ValueError):
    """Data or an option that linnet cannot work with. The command line prints the sentence and exits with 2."""
