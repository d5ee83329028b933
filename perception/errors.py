"""The one error a user is meant to see: what came, what exists, what to do."""


class InputError(ValueError):
    """Something from outside (an option, a file, a machine) is not usable; scripts exit with 2."""
