"""Programs of forward passes, kept from one function of a network to the next: each frame size is compiled once."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from r3d_jax.compiling import compiler_options
from r3d_jax.models.fused import Fused, fused

SHAPES = 16  # of clips whose programs are kept; each frame size among the videos makes one or a few
AXIS = "video"


class Program(NamedTuple):
    """A compiled function of variables and arrays.

    Attributes:
      fused: how variables are prepared for it; None: it takes them as they are.
      run: of the variables, or of what is prepared from them, and of a tuple of arrays.
    """

    fused: Fused | None
    run: Callable[[Any, tuple[jax.Array, ...]], jax.Array]


def sharding(whole: bool) -> NamedSharding:
    """Where a program's operands lie: whole on each device, or split over all of them along the first axis."""
    return NamedSharding(Mesh(jax.devices(), (AXIS,)), PartitionSpec() if whole else PartitionSpec(AXIS))


def program_for(function: partial, variables: Any, arrays: tuple[jax.Array, ...]) -> Program:
    """The program that runs `function` on all devices; on one CPU that has oneDNN, fused.

    Args:
      function: a module's function with hashable keywords, of variables and arrays.
      variables, arrays: as they will be given, whole and split (`sharding`); of these, shapes and types matter.
    """
    leaves, structure = jax.tree.flatten((variables, arrays))
    shapes = tuple((x.shape, x.dtype) for x in leaves)
    return _program(function.func, tuple(sorted(function.keywords.items())), structure, shapes, tuple(jax.devices()))


@lru_cache(SHAPES)
def _program(function, keywords, structure, shapes, devices):
    def alone(variables, arrays):
        return function(variables, *arrays, **dict(keywords))

    options = compiler_options(devices[0].platform)
    operands = structure.unflatten([jax.ShapeDtypeStruct(*each) for each in shapes])
    if len(devices) == 1 and (found := fused(alone, *operands)):
        return Program(found, jax.jit(found.run, compiler_options=options))
    whole, split = PartitionSpec(), PartitionSpec(AXIS)
    mapped = jax.shard_map(alone, mesh=Mesh(devices, (AXIS,)), in_specs=(whole, split), out_specs=split)
    return Program(None, jax.jit(mapped, compiler_options=options))
