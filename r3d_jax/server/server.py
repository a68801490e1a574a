"""A small page and a JSON endpoint on this machine: a video in, its classes, their course and their map out.

Nothing that is sent is written to a disk.
"""

import asyncio
import json
import logging
import socket
import time
from functools import partial
from importlib import resources

from aiohttp import web

from r3d_jax.errors import InputError
from r3d_jax.inference.predict import THRESHOLD
from r3d_jax.server.body import Limits, too_large
from r3d_jax.server.log import in_one_line
from r3d_jax.server.metrics import make_metrics, text_of
from r3d_jax.server.request import Refused, check_kind, check_sender, check_token, is_loopback, wanted
from r3d_jax.server.service import answer, make_service
from r3d_jax.weights.trained import TrainedNetwork

# Nothing on the page comes from anywhere else, and nothing in it may; no other page may show it.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
OPEN = ("/", "/healthz")  # addresses that tell nothing, and want no token


def serve(
    network: TrainedNetwork,
    *,
    name: str,
    host: str,
    port: int,
    limits: Limits,
    token: str = "",
    dtype: str = "float32",
) -> bool:
    """Serves the page and the endpoint, and prints their address, until a signal ends it.

    Args:
      name: what the network is called on the page.
      host: address to listen at; anything but this machine's own lets others in, and needs a token.
      port: number to listen at; 0: any that is free.
      token: that requests have to carry; empty: none.
      dtype: of the activations, as in `predict_fn`.

    Returns:
      Whether everything has ended. Otherwise the network is still at work, for which Python would wait at its end.

    Raises:
      InputError: a limit that leaves nothing, an address that cannot be had, or one that others reach without a token.
    """
    if below := [f"`{name}` (={value:g})" for name, value in limits._asdict().items() if not 0 < value < float("inf")]:
        raise InputError(f"{', '.join(below)} must be above 0")
    if not 0 <= port < 2**16:
        raise InputError(f"`port` (={port}) must be from 0 to {2**16 - 1}")
    if not is_loopback(host) and not token:
        raise InputError(
            f"`host` (={host}) lets others in: give a `token` that they have to send, or take 127.0.0.1, the default"
        )
    if not all("!" <= character <= "~" for character in token):
        raise InputError("`token` must consist of printable ASCII characters without blanks; choose another one")
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"{host}, port {port}, cannot be had ({error}); name another `host` or `port`") from error
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
    if not is_loopback(host):
        print(f"Whoever reaches {host} and has the token can use this; what is sent is not encrypted.", flush=True)
    logging.getLogger("aiohttp.server").addFilter(in_one_line)
    app, service = _make(network, name, host, limits, token, dtype)
    web.run_app(
        app,
        sock=listening,
        print=lambda _: print(f"{name} at {address} (Ctrl-C ends it)", flush=True),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=1,
    )
    return not service.busy


def make_app(
    network: TrainedNetwork, *, name: str, host: str, limits: Limits, token: str = "", dtype: str = "float32"
) -> web.Application:
    """The server's addresses as an application, to be run by `serve` or by other code.

    `GET /` gives the page, `GET /network` facts about the network as JSON, and `POST /predict` takes the bytes of a
    video and gives its classes as JSON (see `respond`), with `?timeline=1` their course and with `?cam=1` pictures.
    `GET /healthz` answers while the server does, and `GET /metrics` gives counters in the format of Prometheus.

    Args:
      name: what the network is called on the page.
      host: address that is listened at; requests that name another are refused where it is this machine's own.
      token: that requests for anything but the page and `/healthz` have to carry as `Authorization: Bearer TOKEN`;
        empty: none.
      dtype: of the activations, as in `predict_fn`.
    """
    return _make(network, name, host, limits, token, dtype)[0]


def _make(network, name, host, limits, token, dtype):
    service = make_service(network, limits, dtype)
    decoders, room, taken = service.decoders, service.room, service.taken
    metrics = make_metrics(active=lambda: len(taken), held=lambda: room.taken, lost=lambda: decoders.lost)

    @web.middleware
    async def refuse(request, handler):
        try:
            check_sender(request.host, request.headers.get("Origin", ""), host)
            if request.path not in OPEN:
                check_token(request.headers.get("Authorization", ""), token)
            return await handler(request)
        except web.RequestPayloadError:
            return _refusal(Refused(400, "the body is not what its headers say, or it breaks off"))
        except Refused as error:
            return _refusal(error)

    app = web.Application(middlewares=[refuse])
    app.on_cleanup.append(lambda _: decoders.close())
    app.add_routes([*_addresses(service, metrics, name), web.post("/predict", partial(_predict, service, metrics))])
    return app, service


def _addresses(service, metrics, name):
    """What is to be read, and tells nothing of any video."""
    network, limits = service.network, service.limits
    page = resources.files("r3d_jax.server").joinpath("page.html").read_text()
    facts = {"name": name, "classes": network.class_names, "views": network.clip.views, "clip": network.clip.shape}
    facts |= {"max_bytes": limits.max_bytes, "seconds": limits.seconds}

    async def show(request):
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def describe(request):
        return _json(facts)

    async def healthy(request):
        return _json({"status": "ok"})

    async def count(request):
        text = text_of(metrics)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    handlers = {"/": show, "/network": describe, "/healthz": healthy, "/metrics": count}
    return [web.get(path, handler) for path, handler in handlers.items()]


def _json(found, **options):
    """JSON by its definition: a number that is not finite is an error, not NaN."""
    return web.json_response(found, dumps=partial(json.dumps, allow_nan=False), **options)


def _refusal(error):
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(error.status, {})
    return _json({"error": str(error)}, status=error.status, headers=headers)


async def _predict(service, metrics, request):
    begun, status = time.monotonic(), 500
    try:
        network = service.network
        asked = wanted(request.query, len(network.class_names), THRESHOLD if network.multi_label else 0.0)
        check_kind(request.content_type)
        if (request.content_length or 0) > service.limits.max_bytes:
            raise too_large(service.limits)
        found = await answer(service, request.content.iter_any(), asked)
        status = 200
        metrics.seconds.observe(time.monotonic() - begun)
        return _json(found)
    except Refused as error:
        status = error.status
        raise
    except web.RequestPayloadError:
        status = 400
        raise
    except asyncio.CancelledError:
        status = "gone"
        raise
    finally:
        metrics.requests.labels(status).inc()
