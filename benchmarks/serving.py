"""python -m benchmarks.serving RUN VIDEO: what the endpoint does under a bounded load.

Requests come one after the other, then eight at a time, to one server in a process of its own; printed are requests a
second, how long they take, how many are told to come again when more come than are taken, and the server's memory.
"""

import argparse
import http.client
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

PORT = 8765


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("video", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    flags = parser.parse_args()
    video = flags.video.read_bytes()
    command = [sys.executable, "-m", "r3d_jax", "serve", flags.run, "--port", str(PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        for together in (1, 8):
            _load(video, 4 * together, together)  # programs are compiled
            _report(f"{together} at a time", *_load(video, flags.requests, together))
        _report("32 at a time, of which 8 are taken", *_load(video, flags.requests, 32))
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
        print(f"peak memory of the server: {peak:,.0f} MiB")
        server.terminate()


def _load(video, count, together):
    start = time.perf_counter()
    with ThreadPoolExecutor(together) as pool:
        responses = list(pool.map(lambda _: _ask(video), range(count)))
    return responses, time.perf_counter() - start


def _ask(video):
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=120)
    connection.request("POST", "/predict", video)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, time.perf_counter() - start


def _report(title, responses, seconds):
    times = [1e3 * each for status, each in responses if status == 200]
    told = ", ".join(f"{count} x {status}" for status, count in sorted(Counter(s for s, _ in responses).items()))
    middle, late = np.percentile(times, (50, 95))
    print(f"{title}: {len(times) / seconds:.1f} responses/s, {middle:.0f} ms (95 %: {late:.0f}); {told}", flush=True)


if __name__ == "__main__":
    main()
