"""A server in a process of its own, asked by programs and by a browser."""

import asyncio
import http.client
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from videos import encode, frames_of

from r3d_jax.errors import InputError
from r3d_jax.inference.predict import predict
from r3d_jax.server import server as module
from r3d_jax.server.body import Limits
from r3d_jax.server.server import make_app, serve
from r3d_jax.weights import converted

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(network, tmp_path_factory):
    """(port, folder for temporary files, process) of a server that takes 3 requests of at most 200 kB at a time."""
    folder = tmp_path_factory.mktemp("server")
    converted.write(folder / "tiny.safetensors", network, "classyvision")
    (folder / "tmp").mkdir()
    flags = ["--port", "0", "--max_mb", "0.2", "--seconds", "20", "--requests", "3", "--dtype", "float32"]
    command = [sys.executable, "-m", "r3d_jax", "serve", str(folder / "tiny.safetensors"), *flags]
    environment = os.environ | {"TMPDIR": str(folder / "tmp")}
    log, pipe = (folder / "log").open("w"), subprocess.PIPE
    with log, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=log, text=True) as process:
        told = r"tiny.safetensors at http://127.0.0.1:(\d+) \(Ctrl-C ends it\)\n"
        yield int(re.fullmatch(told, process.stdout.readline())[1]), folder / "tmp", process
        process.terminate()
        assert process.wait(20) == 0


def ask(server, body=b"", path="/predict", method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read(), parse_constant=pytest.fail)  # of NaN and the like
    finally:
        connection.close()


@pytest.mark.slow
def test_a_program_gets_what_the_command_predicts(server, network, folder):
    for name in ("v0.avi", "v2.avi"):
        (expected,) = predict(network, [folder / name])
        status, found = ask(server, (folder / name).read_bytes(), "/predict?top=3")
        assert status == 200 and found["frames"] == expected.where["frames"]
        of = {each["class"]: each["probability"] for each in found["top"]}
        np.testing.assert_allclose([of[c] for c in network.class_names], expected.probabilities, rtol=1e-3, atol=2e-6)
        assert list(of.values()) == sorted(of.values(), reverse=True)
        assert set(found) == {"frames", "seconds", "top"}


def test_the_course_over_time_and_the_map_come_when_asked_for(server, folder):
    status, found = ask(server, (folder / "v3.avi").read_bytes(), "/predict?top=2&timeline=1&cam=1")
    assert status == 200
    course = found["timeline"]
    assert len(course["seconds"]) == 8 and course["seconds"] == sorted(course["seconds"])
    assert [len(each["probabilities"]) for each in course["classes"]] == [8, 8]
    assert found["cam"]["class"] == found["top"][0]["class"]
    assert len(found["cam"]["frames"]) == 3
    assert all(each["image"].startswith("data:image/jpeg;base64,/9j/") for each in found["cam"]["frames"])


@pytest.mark.parametrize(
    "body, path, headers, status, message",
    [
        (b"", "/predict", {}, 400, "no video: send the bytes of its file"),
        (b"x", "/predict?top=none", {}, 400, r"`top` .=none. must be a number from 1"),
        (b"x", "/predict?best=1", {}, 400, "no parameter best; there are top, timeline, cam, threshold"),
        (b"x", "/predict?cam=yes", {}, 400, "`timeline` and `cam` must be 0 or 1"),
        (b"no video", "/predict", {}, 422, "this video cannot be used: not a video"),
        (b"ffconcat version 1.0\nfile README.md\n", "/predict", {}, 422, "cannot be used"),
        (bytes(300_000), "/predict", {}, 413, r"more than 0.2 MB, .* \(`max_mb`\)"),
        (b"x", "/predict", {"Origin": "http://else.example"}, 403, "pages of http://else.example may not ask"),
        (b"x", "/predict", {"Host": "elsewhere.example"}, 403, "no server of elsewhere.example"),
        (b"x", "/network", {"Host": "[::2]:80"}, 403, r"no server of .::2.:80"),
        (b"x", "/predict", {"Host": "localhost:evil.example"}, 403, "no server of localhost:evil.example"),
        (b"not compressed", "/predict", {"Content-Encoding": "gzip"}, 400, "the body is not what its headers say"),
        (b"x", f"/predict?top={'9' * 5000}", {}, 400, "must be a number from 1"),
        (
            b"--x\r\nContent-Disposition: form-data; name=file; filename=v.avi\r\n\r\nbytes\r\n--x--\r\n",
            "/predict",
            {"Content-Type": "multipart/form-data; boundary=x"},
            415,
            "wrapped in a form; send its bytes themselves: curl --data-binary @FILE",
        ),
    ],
)
def test_what_gets_no_predictions_is_refused_with_the_reason(server, body, path, headers, status, message):
    found_status, found = ask(server, body, path, **headers)
    assert found_status == status and re.search(message, found["error"])


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(server):
    status, found = ask(server, (bytes(50_000) for _ in range(10)))
    assert status == 413 and "more than 0.2 MB" in found["error"]


def test_frames_that_would_take_much_memory_are_refused(server):
    status, found = ask(server, encode(frames_of(2, 32, 160)))
    assert status == 422 and "160x32: one edge is more than 4 times the other" in found["error"]


def test_many_at_once_get_a_response_or_are_told_to_come_again(server, folder):
    videos = [(folder / f"v{i}.avi").read_bytes() for i in (0, 1, 3)]
    alone = [ask(server, video)[1] for video in videos]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda i: (i % 3, *ask(server, videos[i % 3])), range(60)))
    statuses = {status for _, status, _ in found}
    assert statuses == {200, 503}
    for which, status, response in found:
        if status == 503:
            assert response == {"error": "3 videos are under way already; try again in a moment"}
            continue
        ours, theirs = ({each["class"]: each["probability"] for each in one["top"]} for one in (response, alone[which]))
        assert ours == pytest.approx(theirs, abs=1e-4)
    assert ask(server, videos[0])[0] == 200


def metrics_of(server):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=60)
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    lines = response.read().decode().splitlines()
    connection.close()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_who_is_slow_takes_no_place_and_who_leaves_leaves_nothing_in_memory(server, folder):
    sockets, size = [], 150_000
    for _ in range(4):  # one more than are worked on at a time
        slow = socket.create_connection(("127.0.0.1", server[0]))
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 190000\r\n\r\n" + bytes(size))
        sockets.append(slow)
    end = time.monotonic() + 10
    while metrics_of(server)["r3d_jax_held_bytes"] < 500_000:  # room is for three of the largest, 629,145 bytes
        assert time.monotonic() < end
    sockets.pop().close()
    while metrics_of(server)["r3d_jax_held_bytes"] > 450_000:
        assert time.monotonic() < end
    assert ask(server, (folder / "v0.avi").read_bytes())[0] == 200
    for slow in sockets:
        slow.close()
    while metrics_of(server)["r3d_jax_held_bytes"]:
        assert time.monotonic() < end


def test_an_operator_is_told_that_it_lives_and_what_it_has_done(server, folder):
    assert ask(server, path="/healthz", method="GET") == (200, {"status": "ok"})
    names = [f'r3d_jax_requests_total{{status="{status}"}}' for status in (200, 422)]
    before = metrics_of(server)
    ask(server, (folder / "v0.avi").read_bytes())
    ask(server, b"no video")
    after = metrics_of(server)
    assert [after[name] - before.get(name, 0) for name in names] == [1, 1]
    assert after["r3d_jax_response_seconds_count"] - before["r3d_jax_response_seconds_count"] == 1
    assert after["r3d_jax_active_requests"] == 0 and after["process_resident_memory_bytes"] > 0


def test_what_is_no_http_leaves_one_line_in_the_log_without_its_bytes(server):
    log = server[1].with_name("log")
    before = log.read_text()
    for request in (b"SECRET\x01 / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nSECRET\x00: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server[0])) as client:
            client.sendall(request)
            assert b" 400 " in client.makefile("rb").readline()
    ask(server, b"SECRET", **{"Content-Encoding": "gzip"})
    told = log.read_text().removeprefix(before)
    assert re.fullmatch(
        r"((Error handling request from 127.0.0.1|Unhandled exception): malformed \(\w+\)\n){1,3}", told
    )


def test_the_page_is_shown_in_no_other_and_sends_nothing_elsewhere(server):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=60)
    connection.request("GET", "/")
    policy = connection.getresponse().getheader("Content-Security-Policy").split("; ")
    connection.close()
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} < set(policy)


def test_nothing_is_left_on_disk(server, folder):
    _, temporary, process = server
    ask(server, (folder / "v3.avi").read_bytes(), "/predict?timeline=1&cam=1")
    assert not list(temporary.iterdir())
    opened = [os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()]
    assert not [path for path in opened if path.startswith(str(temporary))]


def client_of(network, seconds=20.0, **options):
    """A client of a server in this process."""
    return TestClient(
        TestServer(make_app(network, name="tiny", limits=Limits(1, seconds, 1), **{"host": "127.0.0.1"} | options))
    )


def test_a_request_that_takes_too_long_is_told_so(network, folder, monkeypatch):
    async def slow(*_, **__):
        await asyncio.sleep(20)

    monkeypatch.setattr("r3d_jax.server.decoders.Decoders.__call__", slow)

    async def trickle():
        yield b"x"
        await asyncio.sleep(1)

    async def ask_it():
        async with client_of(network, seconds=0.3) as client:
            late = await client.post("/predict", data=(folder / "v0.avi").read_bytes())
            never = await client.post("/predict", data=trickle())
            return (late.status, await late.json()), (never.status, await never.json())

    late, never = asyncio.run(ask_it())
    assert late == (503, {"error": "no answer after 0.3 s; send a shorter video, or try again later"})
    assert never == (408, {"error": "the video had not arrived after 0.3 s"})


def test_a_network_of_damaged_weights_gets_an_error_that_is_json(network, folder):
    damaged = network._replace(variables=jax.tree.map(lambda x: np.full_like(x, np.nan), network.variables))

    async def ask_it():
        async with client_of(damaged) as client:
            response = await client.post("/predict?timeline=1&cam=1", data=(folder / "v0.avi").read_bytes())
            return response.status, json.loads(await response.text(), parse_constant=pytest.fail)

    status, found = asyncio.run(ask_it())
    assert status == 500 and found["error"].startswith("the network's outputs are not finite (NaN or infinite)")


def test_who_has_no_token_gets_the_page_alone(network):
    async def ask_it():
        async with client_of(network, host="0.0.0.0", token="secret") as client:
            asked = [("GET", "/"), ("GET", "/healthz"), ("GET", "/network"), ("GET", "/metrics"), ("POST", "/predict")]
            without = [await client.request(*each) for each in asked]
            assert (
                without[2].headers["WWW-Authenticate"] == "Bearer" and "its token" in (await without[2].json())["error"]
            )
            headers = {"Authorization": "Bearer secret"}
            return [x.status for x in without], [(await client.request(*x, headers=headers)).status for x in asked]

    assert asyncio.run(ask_it()) == ([200, 200, 401, 401, 401], [200, 200, 200, 200, 400])


def test_an_address_that_cannot_be_had_and_limits_that_leave_nothing(network, server):
    arguments = {"name": "tiny", "host": "127.0.0.1"}
    with pytest.raises(InputError, match=f"127.0.0.1, port {server[0]}, cannot be had .*; name another"):
        serve(network, **arguments, port=server[0], limits=Limits(1, 1, 1))
    with pytest.raises(InputError, match=r"`seconds` .=0., `requests` .=-1. must be above 0"):
        serve(network, **arguments, port=1, limits=Limits(1, 0, -1))
    with pytest.raises(InputError, match=r"`max_mb` .=nan. must be above 0"):
        serve(network, **arguments, port=1, limits=Limits(float("nan"), 1, 1))
    with pytest.raises(InputError, match=r"`host` .=0.0.0.0. lets others in: give a `token`"):
        serve(network, name="tiny", host="0.0.0.0", port=0, limits=Limits(1, 1, 1))
    with pytest.raises(InputError, match="`token` must consist of printable ASCII characters without blanks"):
        serve(network, **arguments, port=0, limits=Limits(1, 1, 1), token="two words")


@pytest.mark.slow
def test_it_ends_soon_whatever_is_under_way_and_says_who_can_reach_it(network, folder, monkeypatch):
    """In this process, which a signal asks to end while the network is at work and a video arrives."""
    told, began, entered, ended = queue.SimpleQueue(), [], threading.Event(), threading.Event()

    def compute(clips):
        entered.set()
        ended.wait(30)
        return np.zeros((1, 3, 3), np.float32)

    def interrupt():
        assert told.get(timeout=20).startswith("Whoever reaches 0.0.0.0 and has the token can use this")
        port = int(re.search(r"tiny at http://0.0.0.0:(\d+) ", told.get(timeout=20))[1])
        head = "POST /predict HTTP/1.1\r\nHost: anything\r\nAuthorization: Bearer x\r\nContent-Length: {}\r\n\r\n"
        video = (folder / "v0.avi").read_bytes()
        address = ("127.0.0.1", port)
        with socket.create_connection(address) as slow, socket.create_connection(address) as working:
            slow.sendall(head.format(1000).encode() + b"x")
            working.sendall(head.format(len(video)).encode() + video)
            entered.wait(20)
            began.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGTERM)
            ended.wait(20)

    monkeypatch.setattr(module, "print", lambda line, **_: told.put(line), raising=False)
    monkeypatch.setattr("r3d_jax.server.service.make_forward", lambda _, dtype: compute)
    with ThreadPoolExecutor(1) as pool:
        interrupted = pool.submit(interrupt)
        assert not serve(network, name="tiny", host="0.0.0.0", port=0, limits=Limits(1, 20, 3), token="x")
        took = time.monotonic() - began[0]
        ended.set()
        interrupted.result()
    assert took < 5


def wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, 30).until(condition)


def find(browser, name):
    return browser.find_element("id", name)


@pytest.mark.slow
def test_the_page_shows_classes_course_and_map_of_a_video(server, browser, folder):
    browser.get(f"http://127.0.0.1:{server[0]}/")
    browser.get_log("browser")
    wait(browser, lambda page: "3 classes" in find(page, "network").text)
    find(browser, "file").send_keys(str(folder / "v3.avi"))
    wait(browser, lambda page: find(page, "found").is_displayed())
    assert find(browser, "state").text == "v3.avi: 15 frames, 0.6 s"
    bars = [row.text.split("\n") for row in browser.find_elements("css selector", "#top .bar")]
    expected = ask(server, (folder / "v3.avi").read_bytes())[1]["top"]
    assert [[name, percent] for name, percent in bars] == [
        [each["class"], f"{each['probability']:.1%}".replace("%", " %")] for each in expected
    ]
    assert len(browser.find_elements("css selector", "#timeline polyline")) == 3
    pictures = browser.find_elements("css selector", "#cam img")
    assert len(pictures) == 3
    assert all(browser.execute_script("return arguments[0].naturalWidth", picture) == 24 for picture in pictures)
    assert browser.get_log("browser") == []


def test_the_page_tells_why_a_video_cannot_be_used(server, browser, folder):
    browser.get(f"http://127.0.0.1:{server[0]}/")
    find(browser, "file").send_keys(str(folder / "broken.avi"))
    error = wait(browser, lambda page: find(page, "error").text)
    assert error.startswith("broken.avi: this video cannot be used: not a video")
    assert not find(browser, "found").is_displayed()
    browser.get_log("browser")


@pytest.mark.slow
def test_the_page_asks_for_the_token(network, browser):
    async def show(started, done):
        async with TestServer(make_app(network, name="tiny", host="::1", limits=Limits(1, 1, 1), token="secret")) as on:
            started.put(on.port)
            await asyncio.to_thread(done.wait)

    started, done = queue.SimpleQueue(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        shown = pool.submit(asyncio.run, show(started, done))
        try:
            browser.get(f"http://127.0.0.1:{started.get(timeout=20)}/")
            wait(browser, lambda page: find(page, "who").is_displayed())
            assert find(browser, "network").text.strip() == ""
            for given in ("wrong\n", "secret\n"):
                find(browser, "token").send_keys(given)
            wait(browser, lambda page: "3 classes" in find(page, "network").text)
            assert not find(browser, "who").is_displayed()
            browser.refresh()
            wait(browser, lambda page: "3 classes" in find(page, "network").text)  # kept as long as the tab
        finally:
            done.set()
        shown.result(20)
    browser.get_log("browser")
