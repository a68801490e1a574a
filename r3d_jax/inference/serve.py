"""A small page and a JSON endpoint on this machine: a video in, its classes, their course and their map out.

Nothing that is sent is written to a disk.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
from aiohttp import web

from r3d_jax.data.views import open_bytes
from r3d_jax.errors import InputError
from r3d_jax.inference.answer import answer, ask, strip
from r3d_jax.inference.batching import Batcher
from r3d_jax.inference.forward import make_forward, make_maps
from r3d_jax.weights.saved import Loaded

LOOPBACK = ("127.0.0.1", "::1", "localhost")
READERS = 2  # threads that decode
BATCH = 8  # videos, or as many clips of timelines, that run through the network together

# Nothing on the page comes from anywhere else, and nothing in it may.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'"


class Limits(NamedTuple):
    """What one request may take: bytes of its video and seconds; and how many are taken at a time."""

    size: int = 100 * 2**20
    seconds: float = 60.0
    requests: int = 8


class Refused(Exception):
    """A request that gets no answer: its HTTP status, and why."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


def serve(network: Loaded, *, name: str, host: str, port: int, limits: Limits) -> None:
    """Serves until a signal ends it.

    Raises:
      InputError: a limit that leaves nothing; an address that cannot be had.
    """
    if min(limits) <= 0:
        raise InputError(f"`max_mb`, `seconds` and `requests` (={limits}) must be above 0")
    if host not in LOOPBACK:
        print(f"Everyone who reaches {host} can use this; 127.0.0.1, the default, is for this machine alone.")
    app = make_app(network, name=name, host=host, limits=limits)

    def tell(_):
        shown = f"[{host}]" if ":" in host else host
        print(f"{name} at http://{shown}:{port} (Ctrl-C ends it)", flush=True)

    try:
        web.run_app(app, host=host, port=port, print=tell, access_log=None, handler_cancellation=True)
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}, port {port}, cannot be had ({error}); name another: --host, --port") from error


def make_app(network: Loaded, *, name: str, host: str, limits: Limits) -> web.Application:
    """`GET /`: the page; `GET /network`: what it is; `POST /predict`: a video's bytes to JSON."""
    app = web.Application()
    forward, maps = (Batcher(function, BATCH) for function in (make_forward(network), make_maps(network)))
    readers, taken = ThreadPoolExecutor(READERS), []
    page = resources.files("r3d_jax.inference").joinpath("page.html").read_text()

    async def predict(request):
        try:
            _check_sender(request, host)
            wanted = _wanted(request, network)
            if len(taken) >= limits.requests:
                raise Refused(503, f"{limits.requests} videos are under way already; try again in a moment")
            taken.append(request)
            try:
                return web.json_response(await _answered(request, wanted, network, forward, maps, readers, limits))
            finally:
                taken.remove(request)
        except Refused as error:
            headers = {"Retry-After": "1"} if error.status == 503 else {}
            return web.json_response({"error": str(error)}, status=error.status, headers=headers)

    async def describe(request):
        facts = {"name": name, "classes": network.class_names, "views": network.views, "clip": network.clip_shape}
        return web.json_response(facts | {"max_bytes": limits.size, "seconds": limits.seconds})

    async def show(request):
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

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
    if not (top.isascii() and top.isdigit() and int(top) >= 1):
        raise Refused(400, f"`top` (={top}) must be a number from 1")
    flags = [request.query.get(name, "0") for name in ("timeline", "cam")]
    if not set(flags) <= {"0", "1"}:
        raise Refused(400, "`timeline` and `cam` must be 0 or 1")
    return Wanted(min(int(top), len(network.class_names)), *(flag == "1" for flag in flags))


def _check_sender(request, host):
    """Other sites' pages, which the user's browser may be showing, have no business here."""
    asked = urlsplit(f"//{request.host}").hostname
    if host in LOOPBACK and asked not in LOOPBACK:
        raise Refused(403, f"this is no server of {asked}")
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        raise Refused(403, f"pages of {origin} may not ask")


async def _answered(request, wanted, network, forward, maps, readers, limits):
    end = time.monotonic() + limits.seconds
    try:
        async with asyncio.timeout(limits.seconds):
            data = await _body(request, limits.size)
    except TimeoutError as error:
        raise Refused(408, f"the video had not arrived after {limits.seconds:g} s") from error
    in_thread = partial(asyncio.get_running_loop().run_in_executor, readers)
    try:
        async with asyncio.timeout(end - time.monotonic()):
            question = await in_thread(_read, data, network, wanted.timeline, end)
            del data
            views = len(question.views)
            blocks = [question.views[None], *_in_blocks(question.along, views)]
            rows = await asyncio.gather(*map(forward, blocks))
            clips = [x.reshape(-1, x.shape[-1]) for x in rows]
            logits = np.concatenate(clips)[: views + len(question.along)]
            found = answer(network, question, logits, wanted.top)
            if wanted.cam:
                likeliest = found["top"][0]["class"]
                index = np.array([network.class_names.index(likeliest)])
                found["cam"] = await in_thread(strip, question, (await maps(question.views[None], index))[0], likeliest)
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
    return f"more than {limit / 2**20:g} MB, which is the most that is taken (--max_mb)"


def _read(data, network, timeline, end):
    def check():
        if time.monotonic() > end:
            raise TimeoutError

    check()  # it may have waited for a thread
    return ask(open_bytes(data, each=check), network, timeline=timeline)


def _in_blocks(clips, views):
    """Single clips as so many videos of `views`, which can be computed with those of others; the last filled up."""
    if not len(clips):
        return []
    filled = np.concatenate([clips, np.repeat(clips[-1:], -len(clips) % views, 0)])
    return [filled.reshape(-1, views, *clips.shape[1:])]
