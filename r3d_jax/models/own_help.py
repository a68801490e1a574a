"""What `help` shows of a network's classes: this package's own text."""

import flax.linen as nn


class OwnHelp(type):
    """Metaclass of a flax module of which `help` and `dir` show the methods that its own classes define.

    What flax's `Module` brings (`init`, `apply`, `clone`, ...), a thousand lines of text, works but is left out;
    `help(flax.linen.Module)` shows it. Fields stand in the signature and under "Attributes". Instances list everything.
    """

    def __dir__(cls) -> list[str]:
        above = cls.__mro__[: cls.__mro__.index(nn.Module)]
        names = {name for base in above for name in vars(base)} - getattr(cls, "__dataclass_fields__", {}).keys()
        return sorted(name for name in names if not name.startswith("__") or name == "__call__")
