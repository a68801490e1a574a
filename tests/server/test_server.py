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

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from videos import encode, frames_of

from r3d_jax.errors import InputError
from r3d_jax.inference.predict import predict
from r3d_jax.server import server as module
from r3d_jax.server.server import Limits, make_app, serve
from r3d_jax.weights import converted

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(network, tmp_path_factory):
    """(port, folder for temporary files, process) of a server that takes 3 requests of at most 200 kB at a time."""
    folder = tmp_path_factory.mktemp("server")
    converted.write(folder / "tiny.safetensors", network, "classyvision")
    (folder / "tmp").mkdir()
    flags = ["--port", "0", "--max_mb", "0.2", "--seconds", "20", "--requests", "3"]
    command = [sys.executable, "-m", "r3d_jax", "serve", str(folder / "tiny.safetensors"), *flags]
    environment = os.environ | {"TMPDIR": str(folder / "tmp")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        told = r"tiny.safetensors at http://127.0.0.1:(\d+) \(Ctrl-C ends it\)\n"
        yield int(re.fullmatch(told, process.stdout.readline())[1]), folder / "tmp", process
        process.terminate()
        assert process.wait(20) == 0


def ask(server, body=b"", path="/predict", method="POST", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server[0], timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
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
        (b"x", "/predict?best=1", {}, 400, "no parameter best; there are top, timeline, cam"),
        (b"x", "/predict?cam=yes", {}, 400, "`timeline` and `cam` must be 0 or 1"),
        (b"no video", "/predict", {}, 422, "this video cannot be used: not a video"),
        (b"ffconcat version 1.0\nfile README.md\n", "/predict", {}, 422, "cannot be used"),
        (bytes(300_000), "/predict", {}, 413, r"more than 0.2 MB, .* \(`max_mb`\)"),
        (b"x", "/predict", {"Origin": "http://else.example"}, 403, "pages of http://else.example may not ask"),
        (b"x", "/predict", {"Host": "elsewhere.example"}, 403, "no server of elsewhere.example"),
        (b"x", "/network", {"Host": "[::2]:80"}, 403, "no server of ::2"),
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


def test_who_is_slow_or_leaves_takes_no_place_for_long(server, folder):
    sockets = []
    for _ in range(3):
        slow = socket.create_connection(("127.0.0.1", server[0]))
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx")
        sockets.append(slow)
    video, end = (folder / "v0.avi").read_bytes(), time.monotonic() + 10
    while ask(server, video)[0] != 503:
        assert time.monotonic() < end
    for slow in sockets:
        slow.close()
    while ask(server, video)[0] != 200:
        assert time.monotonic() < end


def test_nothing_is_left_on_disk(server, folder):
    _, temporary, process = server
    ask(server, (folder / "v3.avi").read_bytes(), "/predict?timeline=1&cam=1")
    assert not list(temporary.iterdir())
    opened = [os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()]
    assert not [path for path in opened if path.startswith(str(temporary))]


def test_a_request_that_takes_too_long_is_told_so(network, folder, monkeypatch):
    def slow(*_, **__):
        time.sleep(0.5)
        return open_bytes(*_, **__)

    open_bytes = module.open_bytes
    monkeypatch.setattr(module, "open_bytes", slow)

    async def trickle():
        yield b"x"
        await asyncio.sleep(1)

    async def ask_it():
        app = make_app(network, name="tiny", host="127.0.0.1", limits=Limits(1, 0.3, 1))
        async with TestClient(TestServer(app)) as client:
            late = await client.post("/predict", data=(folder / "v0.avi").read_bytes())
            never = await client.post("/predict", data=trickle())
            return (late.status, await late.json()), (never.status, await never.json())

    late, never = asyncio.run(ask_it())
    assert late == (503, {"error": "no answer after 0.3 s; send a shorter video, or try again later"})
    assert never == (408, {"error": "the video had not arrived after 0.3 s"})


def test_an_address_that_cannot_be_had_and_limits_that_leave_nothing(network, server):
    arguments = {"name": "tiny", "host": "127.0.0.1"}
    with pytest.raises(InputError, match=f"127.0.0.1, port {server[0]}, cannot be had .*; name another"):
        serve(network, **arguments, port=server[0], limits=Limits(1, 1, 1))
    with pytest.raises(InputError, match=r"`seconds` .=0., `requests` .=-1. must be above 0"):
        serve(network, **arguments, port=1, limits=Limits(1, 0, -1))


@pytest.mark.slow
def test_it_ends_soon_with_a_request_under_way_and_says_who_can_reach_it(network, monkeypatch):
    """In this process, which a signal asks to end as soon as the server has said where it listens."""
    told, began, ended = queue.SimpleQueue(), [], threading.Event()

    def interrupt():
        assert told.get(timeout=20).startswith("Everyone who reaches 0.0.0.0 can use this; 127.0.0.1, the default")
        port = int(re.search(r"tiny at http://0.0.0.0:(\d+) ", told.get(timeout=20))[1])
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: anything\r\nContent-Length: 1000\r\n\r\nx")
            time.sleep(0.3)
            began.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGTERM)
            ended.wait(20)

    monkeypatch.setattr(module, "print", lambda line, **_: told.put(line), raising=False)
    with ThreadPoolExecutor(1) as pool:
        interrupted = pool.submit(interrupt)
        serve(network, name="tiny", host="0.0.0.0", port=0, limits=Limits(1, 20, 3))
        ended.set()
        interrupted.result()
    assert time.monotonic() - began[0] < 8


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
