"""What an operator is told about the server: counts and times in the format of Prometheus."""

from collections.abc import Callable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.03, 0.1, 0.3, 1, 3, 10, 30)  # between which responses are counted


class Metrics(NamedTuple):
    """The counters of one server, which begin at 0 with it.

    Attributes:
      registry: all of them, and the process's memory, processor time and open files.
      requests: requests for predictions, by the status of their response.
      seconds: how long responses with predictions took, the arrival of their video included.
    """

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram


def make_metrics(*, active: Callable[[], float], held: Callable[[], float], lost: Callable[[], float]) -> Metrics:
    """Counters at 0, and gauges that are asked whenever someone looks.

    Args:
      active: how many requests are worked on.
      held: bytes of videos in memory.
      lost: how many decoders have died or were ended.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    gauges = {
        "active_requests": ("Requests that are worked on.", active),
        "held_bytes": ("Bytes of videos in memory.", held),
        "lost_decoders": ("Decoders that have died or were ended since the start.", lost),
    }
    for name, (text, function) in gauges.items():
        Gauge(f"r3d_jax_{name}", text, registry=registry).set_function(function)
    requests = Counter("r3d_jax_requests", "Requests for predictions.", ["status"], registry=registry)
    seconds = Histogram("r3d_jax_response_seconds", "From request to predictions.", buckets=SECONDS, registry=registry)
    return Metrics(registry, requests, seconds)


def text_of(metrics: Metrics) -> bytes:
    """The counters as Prometheus reads them, in its text format 0.0.4."""
    return generate_latest(metrics.registry)
