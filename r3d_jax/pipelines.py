"""Work on the runners of Apache Beam, an optional package: processes of this machine, or a cluster."""

import importlib.util
import logging
import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from r3d_jax.errors import InputError

LOCAL = "DirectRunner"  # Beam's name of processes on this machine


def installed() -> bool:
    """Whether Beam is there; it is not imported for the answer."""
    return importlib.util.find_spec("apache_beam") is not None


def options_of(runner: str, arguments: Sequence[str] = (), *, processes: int = 0) -> Any:
    """Beam's `PipelineOptions` of a runner.

    Args:
      runner: Beam's name of it: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner, ...
      arguments: Beam's own options, as command lines give them, each with its value after a `=`.
      processes: of the DirectRunner, where `arguments` do not say; 0: one for each core, 1: this one alone.

    Raises:
      InputError: Beam is not installed, or does not know the runner or, of the DirectRunner, an option.
    """
    if not installed():
        raise InputError(f"`runner` {runner} needs Apache Beam, which is not installed: pip install 'r3d_jax[beam]'")
    with _quiet():
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.runners.runner import create_runner

    processes = processes or os.cpu_count() or 1
    own = {"runner": runner}
    if runner == LOCAL and processes > 1 and not any("direct_" in argument for argument in arguments):
        own |= {"direct_num_workers": processes, "direct_running_mode": "multi_processing"}
    if runner == LOCAL:  # whose workers otherwise tell of their beginnings and ends
        own["default_sdk_harness_log_level"] = "ERROR"
    try:
        create_runner(runner)
    except (ValueError, ImportError, AttributeError) as error:
        raise InputError(f"Beam has no `runner` {runner!r}: {error}") from error
    options = PipelineOptions(list(arguments), **own)
    if runner == LOCAL and (unknown := _unknown(options)):
        raise InputError(f"{LOCAL} has no option {', '.join(unknown)}")
    return options


def run(build: Callable[[Any], Any], options: Any) -> None:
    """Runs a pipeline to its end.

    Args:
      build: is given the pipeline, to add to it.
      options: as `options_of` gives them.

    Raises:
      InputError: a worker has failed; the message has what it failed with.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import StandardOptions

    local = options.view_as(StandardOptions).runner == LOCAL
    try:
        with (
            _quiet() if local else nullcontext(),
            beam.Pipeline(_local(options) if local else None, options) as pipeline,
        ):
            build(pipeline)
    except InputError:
        raise
    except Exception as error:  # of any kind; from another process it is a text with a stack trace
        last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise InputError(f"a worker of Beam has failed: {last.partition(' [while running')[0]}") from error


def _local(options):
    """What runs on this machine; the DirectRunner by its name would first fetch a program from the internet for it."""
    from apache_beam.portability.api import beam_provision_api_pb2
    from apache_beam.runners.portability.fn_api_runner import fn_runner
    from apache_beam.runners.portability.portable_runner import JobServiceHandle

    told = beam_provision_api_pb2.ProvisionInfo(
        pipeline_options=JobServiceHandle.encode_pipeline_options(options.get_all_options())
    )
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(told))


@contextmanager
def _quiet():
    """Keeps Beam from warning, in its `with` block, of what is meant to be so."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def each(function: Callable[[Any], Any], items: Iterable[Any], options: Any) -> None:
    """Calls a function with each of the items, on Beam's workers; what it returns is dropped.

    Args:
      function: can be pickled.
      items: likewise.
      options: as `options_of` gives them.

    Raises:
      InputError: the function has failed; the message has what it failed with.
    """
    import apache_beam as beam  # which `options_of` has imported

    def build(pipeline):
        # Beam would look into named tuples, and make columns of them.
        packed = pipeline | beam.Create([pickle.dumps(item) for item in items]) | beam.Reshuffle()
        _ = packed | beam.Map(partial(_unpacked, function))

    run(build, options)


def _unpacked(function, data):
    function(pickle.loads(data))


def _unknown(options):
    """Names of options that no part of Beam has."""
    with _quiet():  # it warns of them
        return sorted(options.get_all_options(retain_unknown_options=True).keys() - options.get_all_options().keys())
