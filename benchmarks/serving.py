"""python -m benchmarks.serving RUN VIDEO: what the endpoint does under a bounded load.

Requests come one after the other, then eight at a time, to one server in a process of its own; printed are requests a
second, how long they take, how many are told to come again when more come than are taken, and the server's memory.
"""

import argparse
import http.client
import os
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
        for together in range(1, 9):
            _load(video, 4 * together, together)  # programs are compiled, one for each number of videos
        for together in (1, 8):
            before = _processor_seconds(server.pid)
            _report(f"{together} at a time", *_load(video, flags.requests, together))
            used = _processor_seconds(server.pid) - before
            print(f"  {1e3 * used / flags.requests:.1f} ms of processors a response", flush=True)
        _report("32 at a time, of which 8 are taken", *_load(video, flags.requests, 32))
        peaks = [_peak(pid) for pid in _processes(server.pid)]
        print(f"peak memory of the server and its decoders: {' + '.join(f'{peak:,.0f}' for peak in peaks)} MiB")
        server.terminate()


def _processes(server):
    return server, *Path(f"/proc/{server}/task/{server}/children").read_text().split()


def _processor_seconds(server):
    """Of the server and its decoders, in user and system mode."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _processes(server)]
    return sum(int(each[11]) + int(each[12]) for each in stats) / os.sysconf("SC_CLK_TCK")


def _peak(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


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
