"""A small page and a JSON endpoint on this machine: a video in, its classes, their course and their map out.

Nothing that is sent is written to a disk.
"""

import asyncio
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from typing import NamedTuple

import numpy as np
from aiohttp import web

from r3d_jax.errors import InputError
from r3d_jax.inference.forward import make_forward, make_maps
from r3d_jax.server.batching import Batcher
from r3d_jax.server.request import LOOPBACK, Refused, check_kind, check_sender, wanted
from r3d_jax.server.response import ask, respond, strip
from r3d_jax.video.views import open_bytes
from r3d_jax.weights.trained import TrainedNetwork

READERS = 2  # threads that decode
BATCH = 8  # videos, or as many clips of timelines, that run through the network together

# Nothing on the page comes from anywhere else, and nothing in it may.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"


class Limits(NamedTuple):
    """What requests may take of the machine.

    Attributes:
      max_mb: MiB that one video may have.
      seconds: time that one request may take, from its first byte to its response.
      requests: how many are taken at a time; further ones are told to come again.
    """

    max_mb: float
    seconds: float
    requests: int

    @property
    def max_bytes(self) -> int:
        """How many bytes one video may have."""
        return int(self.max_mb * 2**20)


class Service(NamedTuple):
    """What responses are made with: the network, its functions, threads and limits, and who is being served.

    Attributes:
      forward, maps: the network's logits and Grad-CAM maps, computed for several requests together.
      readers: threads that decode.
      taken: the requests that are under way.
      ending: set when the server is asked to end.
    """

    network: TrainedNetwork
    forward: Batcher
    maps: Batcher
    readers: ThreadPoolExecutor
    limits: Limits
    taken: list[web.Request]
    ending: threading.Event


def serve(network: TrainedNetwork, *, name: str, host: str, port: int, limits: Limits) -> None:
    """Serves the page and the endpoint, and prints their address, until a signal ends it.

    Args:
      name: what the network is called on the page.
      host: address to listen at; anything but this machine's own lets others in, which is printed.
      port: number to listen at; 0: any that is free.

    Raises:
      InputError: a limit that leaves nothing, or an address that cannot be had.
    """
    if below := [f"`{name}` (={value:g})" for name, value in limits._asdict().items() if value <= 0]:
        raise InputError(f"{', '.join(below)} must be above 0")
    if not 0 <= port < 2**16:
        raise InputError(f"`port` (={port}) must be from 0 to {2**16 - 1}")
    if host not in LOOPBACK:
        print(f"Everyone who reaches {host} can use this; 127.0.0.1, the default, is for this machine alone.")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"{host}, port {port}, cannot be had ({error}); name another `host` or `port`") from error
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    app = make_app(network, name=name, host=host, limits=limits)
    web.run_app(
        app,
        sock=listening,
        print=lambda _: print(f"{name} at {address} (Ctrl-C ends it)", flush=True),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )


def make_app(network: TrainedNetwork, *, name: str, host: str, limits: Limits) -> web.Application:
    """The server's three addresses as an application, to be run by `serve` or by other code.

    `GET /` gives the page, `GET /network` facts about the network as JSON, and `POST /predict` takes the bytes of a
    video and gives its classes as JSON (see `respond`), with `?timeline=1` their course and with `?cam=1` pictures.

    Args:
      name: what the network is called on the page.
      host: address that is listened at; requests that name another are refused where it is this machine's own.
    """
    forward, maps = (Batcher(function, BATCH) for function in (make_forward(network), make_maps(network)))
    service = Service(network, forward, maps, ThreadPoolExecutor(READERS), limits, [], threading.Event())
    page = resources.files("r3d_jax.server").joinpath("page.html").read_text()
    facts = {"name": name, "classes": network.class_names, "views": network.clip.views, "clip": network.clip.shape}
    facts |= {"max_bytes": limits.max_bytes, "seconds": limits.seconds}

    @web.middleware
    async def refuse(request, handler):
        try:
            check_sender(request.host, request.headers.get("Origin", ""), host)
            return await handler(request)
        except Refused as error:
            headers = {"Retry-After": "1"} if error.status == 503 else {}
            return web.json_response({"error": str(error)}, status=error.status, headers=headers)

    async def show(request):
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def describe(request):
        return web.json_response(facts)

    async def predict(request):
        asked = wanted(request.query, len(network.class_names))
        check_kind(request.content_type)
        if len(service.taken) >= limits.requests:
            raise Refused(503, f"{limits.requests} videos are under way already; try again in a moment")
        service.taken.append(request)
        try:
            return web.json_response(await _response_to(request, asked, service))
        finally:
            service.taken.remove(request)

    async def end(_):
        service.ending.set()

    app = web.Application(middlewares=[refuse])
    app.on_shutdown.append(end)
    app.add_routes([web.get("/", show), web.get("/network", describe), web.post("/predict", predict)])
    return app


async def _response_to(request, asked, service):
    network, limits = service.network, service.limits
    end = time.monotonic() + limits.seconds
    try:
        async with asyncio.timeout(limits.seconds):
            data = await _body(request, limits)
    except TimeoutError as error:
        raise Refused(408, f"the video had not arrived after {limits.seconds:g} s") from error
    in_thread = partial(asyncio.get_running_loop().run_in_executor, service.readers)
    try:
        async with asyncio.timeout(end - time.monotonic()):
            question = await in_thread(_read, data, network, asked.timeline, end, service.ending)
            del data
            views = len(question.views)
            blocks = [question.views[None], *_in_blocks(question.along, views)]
            logits = [x.reshape(-1, x.shape[-1]) for x in await asyncio.gather(*map(service.forward, blocks))]
            logits = np.concatenate(logits)[: views + len(question.along)]
            response = respond(network, question, logits, asked.top)
            if asked.cam:
                likeliest = response["top"][0]["class"]
                index = np.array([network.class_names.index(likeliest)])
                maps = (await service.maps(question.views[None], index))[0]
                response["cam"] = await in_thread(strip, question, maps, likeliest)
            return response
    except TimeoutError as error:
        raise Refused(503, f"no answer after {limits.seconds:g} s; send a shorter video, or try again later") from error
    except ValueError as error:
        raise Refused(422, f"this video cannot be used: {error}") from error


async def _body(request, limits):
    too_large = Refused(413, f"more than {limits.max_mb:g} MB, which is the most that is taken (`max_mb`)")
    if (request.content_length or 0) > limits.max_bytes:
        raise too_large
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limits.max_bytes:
            raise too_large
        parts.append(part)
    if not size:
        raise Refused(400, "no video: send the bytes of its file as the body of the request")
    return b"".join(parts)


def _read(data, network, timeline, end, ending):
    def check():
        if ending.is_set() or time.monotonic() > end:
            raise TimeoutError

    check()  # it may have waited for a thread
    return ask(open_bytes(data, each=check), network, timeline=timeline)


def _in_blocks(clips, views):
    """Single clips as so many videos of `views`, which can be computed with those of others; the last filled up."""
    if not len(clips):
        return []
    filled = np.concatenate([clips, np.repeat(clips[-1:], -len(clips) % views, 0)])
    return [filled.reshape(-1, views, *clips.shape[1:])]
