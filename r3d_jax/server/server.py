"""A small page and a JSON endpoint on this machine: a video in, its classes, their course and their map out.

Nothing that is sent is written to a disk.
"""

import asyncio
import re
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
from r3d_jax.server.response import ask, respond, strip
from r3d_jax.video.views import open_bytes
from r3d_jax.weights.trained import TrainedNetwork

LOOPBACK = ("127.0.0.1", "::1", "localhost")
READERS = 2  # threads that decode
BATCH = 8  # videos, or as many clips of timelines, that run through the network together

# Nothing on the page comes from anywhere else, and nothing in it may.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"


class Limits(NamedTuple):
    """What one request may take: bytes of its video and seconds; and how many are taken at a time."""

    size: int
    seconds: float
    requests: int


class Refused(Exception):
    """A request that gets no answer: its HTTP status, and why."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Service(NamedTuple):
    """What requests are answered with."""

    network: TrainedNetwork
    forward: Batcher
    maps: Batcher
    readers: ThreadPoolExecutor
    limits: Limits
    taken: list[web.Request]
    ending: threading.Event


def serve(network: TrainedNetwork, *, name: str, host: str, port: int, limits: Limits) -> None:
    """Serves until a signal ends it.

    Raises:
      InputError: a limit that leaves nothing; an address that cannot be had.
    """
    given = {"max_mb": limits.size / 2**20, "seconds": limits.seconds, "requests": limits.requests}
    if below := [f"`{name}` (={value:g})" for name, value in given.items() if value <= 0]:
        raise InputError(f"{', '.join(below)} must be above 0")
    if host not in LOOPBACK:
        print(f"Everyone who reaches {host} can use this; 127.0.0.1, the default, is for this machine alone.")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
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
    """`GET /`: the page; `GET /network`: what it is; `POST /predict`: a video's bytes to JSON."""
    forward, maps = (Batcher(function, BATCH) for function in (make_forward(network), make_maps(network)))
    service = Service(network, forward, maps, ThreadPoolExecutor(READERS), limits, [], threading.Event())
    page = resources.files("r3d_jax.server").joinpath("page.html").read_text()
    facts = {"name": name, "classes": network.class_names, "views": network.clip.views, "clip": network.clip.shape}
    facts |= {"max_bytes": limits.size, "seconds": limits.seconds}

    @web.middleware
    async def refuse(request, handler):
        try:
            _check_sender(request, host)
            return await handler(request)
        except Refused as error:
            headers = {"Retry-After": "1"} if error.status == 503 else {}
            return web.json_response({"error": str(error)}, status=error.status, headers=headers)

    async def show(request):
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def describe(request):
        return web.json_response(facts)

    async def predict(request):
        wanted = _wanted(request, network)
        if len(service.taken) >= limits.requests:
            raise Refused(503, f"{limits.requests} videos are under way already; try again in a moment")
        service.taken.append(request)
        try:
            return web.json_response(await _answered(request, wanted, service))
        finally:
            service.taken.remove(request)

    async def end(_):
        service.ending.set()

    app = web.Application(middlewares=[refuse])
    app.on_shutdown.append(end)
    app.add_routes([web.get("/", show), web.get("/network", describe), web.post("/predict", predict)])
    return app


class Wanted(NamedTuple):
    """What a request asks for."""

    top: int
    timeline: bool
    cam: bool


def _wanted(request, network):
    unknown = set(request.query) - set(Wanted._fields)
    if unknown:
        raise Refused(400, f"no parameter {', '.join(sorted(unknown))}; there are {', '.join(Wanted._fields)}")
    top = request.query.get("top", "5")
    if not re.fullmatch("[1-9][0-9]{0,8}", top):
        raise Refused(400, f"`top` (={top}) must be a number from 1")
    flags = [request.query.get(name, "0") for name in ("timeline", "cam")]
    if not set(flags) <= {"0", "1"}:
        raise Refused(400, "`timeline` and `cam` must be 0 or 1")
    return Wanted(min(int(top), len(network.class_names)), *(flag == "1" for flag in flags))


def _check_sender(request, host):
    """Other sites' pages, which the user's browser may be showing, have no business here."""
    asked, origin = _host_of(request.host), request.headers.get("Origin")
    if host in LOOPBACK and asked not in LOOPBACK:
        raise Refused(403, f"this is no server of {asked}")
    if origin and origin.partition("//")[2] != request.host:
        raise Refused(403, f"pages of {origin} may not ask")


def _host_of(address):
    """Without the port."""
    return address[1:].partition("]")[0] if address.startswith("[") else address.partition(":")[0]


async def _answered(request, wanted, service):
    network, limits = service.network, service.limits
    end = time.monotonic() + limits.seconds
    try:
        async with asyncio.timeout(limits.seconds):
            data = await _body(request, limits.size)
    except TimeoutError as error:
        raise Refused(408, f"the video had not arrived after {limits.seconds:g} s") from error
    in_thread = partial(asyncio.get_running_loop().run_in_executor, service.readers)
    try:
        async with asyncio.timeout(end - time.monotonic()):
            question = await in_thread(_read, data, network, wanted.timeline, end, service.ending)
            del data
            views = len(question.views)
            blocks = [question.views[None], *_in_blocks(question.along, views)]
            rows = await asyncio.gather(*map(service.forward, blocks))
            clips = [x.reshape(-1, x.shape[-1]) for x in rows]
            logits = np.concatenate(clips)[: views + len(question.along)]
            found = respond(network, question, logits, wanted.top)
            if wanted.cam:
                likeliest = found["top"][0]["class"]
                index = np.array([network.class_names.index(likeliest)])
                maps = (await service.maps(question.views[None], index))[0]
                found["cam"] = await in_thread(strip, question, maps, likeliest)
            return found
    except TimeoutError as error:
        raise Refused(503, f"no answer after {limits.seconds:g} s; send a shorter video, or try again later") from error
    except ValueError as error:
        raise Refused(422, f"this video cannot be used: {error}") from error


async def _body(request, limit):
    if (request.content_length or 0) > limit:
        raise Refused(413, _too_large(limit))
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limit:
            raise Refused(413, _too_large(limit))
        parts.append(part)
    if not size:
        raise Refused(400, "no video: send the bytes of its file as the body of the request")
    return b"".join(parts)


def _too_large(limit):
    return f"more than {limit / 2**20:g} MB, which is the most that is taken (`max_mb`)"


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
