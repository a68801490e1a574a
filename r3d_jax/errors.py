"""The one exception for what a user can put right; commands print its message instead of a stack trace."""


class InputError(ValueError):
    """Input that cannot be used: the message names the value, the cause and the remedy.

    It is a `ValueError`, so that code which knows nothing of this package catches it too.
    """
