"""One video through a decoder and the network, together with those of others; and who is being served."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import numpy as np

from r3d_jax.inference.forward import make_forward, make_maps
from r3d_jax.server.batching import Batcher
from r3d_jax.server.body import Limits, Room, read_body
from r3d_jax.server.decoders import Decoders
from r3d_jax.server.request import Refused, Wanted
from r3d_jax.server.response import likeliest, respond, strip
from r3d_jax.weights.trained import TrainedNetwork

DECODERS = 2  # processes
BATCH = 8  # videos, or as many clips of timelines, that run through the network together


class Service(NamedTuple):
    """What responses are made with: the network, its functions, processes and limits, and who is being served.

    Attributes:
      forward, maps: the network's logits and Grad-CAM maps, computed for several requests together.
      decoders: processes that read videos.
      room: memory for the bodies of requests.
      taken: the requests that are worked on.
    """

    network: TrainedNetwork
    forward: Batcher
    maps: Batcher
    decoders: Decoders
    limits: Limits
    room: Room
    taken: list[Wanted]

    @property
    def busy(self) -> bool:
        """Whether the network is at work, which nothing but the end of this process can stop."""
        return self.forward.busy or self.maps.busy


def make_service(network: TrainedNetwork, limits: Limits, dtype: str = "float32") -> Service:
    """A service that nobody has asked anything yet; its decoders start when they are needed.

    Args:
      dtype: of the activations, as in `predict_fn`; maps are computed in float32.
    """
    forward, maps = Batcher(make_forward(network, dtype=dtype), BATCH), Batcher(make_maps(network), BATCH)
    return Service(network, forward, maps, Decoders(DECODERS), limits, Room(limits), [])


async def answer(service: Service, chunks: AsyncIterator[bytes], asked: Wanted) -> dict[str, Any]:
    """The response to one video, as JSON can carry it (see `respond`).

    The request counts against `limits.requests` from the last byte of its video on; whoever stops waiting gives back
    its place and its memory.

    Args:
      chunks: the bytes of the video's file, as they arrive.

    Raises:
      Refused: there is none; the message is the reason.
    """
    limits, taken = service.limits, service.taken
    end = time.monotonic() + limits.seconds
    _check_turn(service)
    with service.room.of_one() as take:
        parts = await read_body(chunks, take, limits.seconds)
        _check_turn(service)  # others may have come first
        taken.append(asked)
        try:
            async with asyncio.timeout(end - time.monotonic()):
                return await _response_to(service, parts, asked, end)
        except TimeoutError as error:
            told = f"no answer after {limits.seconds:g} s; send a shorter video, or try again later"
            raise Refused(503, told) from error
        except ValueError as error:
            raise Refused(422, f"this video cannot be used: {error}") from error
        finally:
            taken.remove(asked)


def _check_turn(service):
    if len(service.taken) >= service.limits.requests:
        raise Refused(503, f"{service.limits.requests} videos are under way already; try again in a moment")


async def _response_to(service, parts, asked, end):
    network = service.network
    seconds = end - time.monotonic()
    question = await service.decoders(parts, network.clip, timeline=asked.timeline, seconds=seconds)
    views = len(question.views)
    blocks = [question.views[None], *_in_blocks(question.along, views)]
    logits = [x.reshape(-1, x.shape[-1]) for x in await asyncio.gather(*map(service.forward, blocks))]
    logits = np.concatenate(logits)[: views + len(question.along)]
    response = respond(network, question, logits, asked.top, asked.threshold)
    if asked.cam:
        index = likeliest(network, question, logits)
        maps = (await service.maps(question.views[None], np.array([index])))[0]
        response["cam"] = await asyncio.to_thread(strip, question, maps, network.class_names[index])
    return response


def _in_blocks(clips, views):
    """Single clips as so many videos of `views`, which can be computed with those of others; the last filled up."""
    if not len(clips):
        return []
    filled = np.concatenate([clips, np.repeat(clips[-1:], -len(clips) % views, 0)])
    return [filled.reshape(-1, views, *clips.shape[1:])]
