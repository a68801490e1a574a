"""Decoders in processes of their own, which are stopped, killed and held to their limits."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path

import pytest
from videos import encode, frames_of

from r3d_jax.server.decoders import Decoders
from r3d_jax.server.question import ask

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def video():
    return encode(frames_of(9))


def with_decoders(use, network, video):
    """What `use` gives, called with `Decoders(1)` and a function that asks it about the video."""

    async def run():
        decoders = Decoders(1)
        try:
            return await use(
                decoders, lambda: decoders(deque([video[:99], video[99:]]), network.clip, timeline=True, seconds=20)
            )
        finally:
            await decoders.close()

    return asyncio.run(run())


def test_videos_are_read_one_after_the_other_in_one_process(network, video):
    async def use(decoders, read):
        first, second = await asyncio.gather(read(), read())
        with pytest.raises(ValueError, match="not a video"):
            await decoders(deque([b"no video"]), network.clip, timeline=False, seconds=20)
        assert len(decoders._idle) == 1 and decoders.lost == 0
        return first, second

    expected = ask(video, network.clip, timeline=True)
    for found in with_decoders(use, network, video):
        assert (found.views == expected.views).all() and (found.along == expected.along).all()


@pytest.mark.slow
def test_a_decoder_that_dies_costs_one_video_and_another_takes_its_place(network, video):
    async def use(decoders, read):
        whole = await read()
        for number, told in ((signal.SIGSEGV, "ended the decoder .SIGSEGV."), (signal.SIGXCPU, "more than 20 s; send")):
            (process,) = decoders._idle
            process.send_signal(signal.SIGSTOP)  # it cannot answer
            asked = asyncio.create_task(read())
            while decoders._idle:
                await asyncio.sleep(0)
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            with pytest.raises(ValueError, match=told):
                await asked
            assert ((await read()).views == whole.views).all()
        (process,) = decoders._idle
        process.kill()  # while it has nothing to do
        await process.wait()
        assert ((await read()).views == whole.views).all() and decoders.lost == 3

    with_decoders(use, network, video)


@pytest.mark.slow
def test_who_stops_waiting_ends_the_work(network, video):
    async def use(decoders, read):
        await read()
        (process,) = decoders._idle
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await read()
        assert process.returncode == -signal.SIGKILL and not decoders._idle and decoders.lost == 1
        await read()

    with_decoders(use, network, video)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems bound other memory")
def test_the_operating_system_holds_it_to_its_limits_and_it_loads_no_jax():
    code = (
        "import sys; from r3d_jax.server.decoder import limit_memory, limit_time\n"
        "print('jax' in sys.modules)\n"
        "limit_memory(100); bytearray(50 * 2**20)\n"
        "try: bytearray(200 * 2**20)\n"
        "except MemoryError: print('refused', flush=True)\n"
        "limit_time(0.01)\n"
        "while True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == ["False", "refused"] and done.returncode == -signal.SIGXCPU
