"""The decoder's words within this process; its limits, in a process of their own, are tests of `decoders`."""

import io
import json
from dataclasses import asdict

import pytest
from videos import encode, frames_of

from r3d_jax.server import decoder
from r3d_jax.server.decoder import HEAD, head, question_of, run
from r3d_jax.server.question import ask


@pytest.fixture
def answers(network, monkeypatch):
    """Answers to questions about files' bytes: [(facts, pixels)]."""
    limited = []
    monkeypatch.setattr(decoder.resource, "setrlimit", lambda *limit: limited.append(limit))

    def call(*files, **options):
        facts = {"clip": asdict(network.clip), "timeline": True, "seconds": 20} | options
        source = io.BytesIO(b"".join(head(facts, len(data)) + data for data in files))
        sink, found = io.BytesIO(), []
        run(source, sink)
        sink.seek(0)
        while begun := sink.read(HEAD.size):
            length, size = HEAD.unpack(begun)
            found.append((json.loads(sink.read(length)), sink.read(size)))
        assert len(found) == len(files) and limited
        limited.clear()
        return found

    return call


def test_a_question_arrives_as_it_was_asked(network, answers):
    videos = [encode(frames_of(15)), encode(frames_of(9, 32, 64))]
    for video, answer in zip(videos, answers(*videos)):
        expected, found = ask(video, network.clip, timeline=True), question_of(*answer)
        for ours, theirs in zip(found, expected):
            assert (ours == theirs).all() if hasattr(ours, "shape") else ours == theirs
    (answer,) = answers(videos[0], timeline=False)
    assert question_of(*answer).along.shape == (0, 4, 16, 24, 3)


@pytest.mark.parametrize("error", [MemoryError(), ValueError("breaks off after 3 frames: Cannot allocate memory")])
def test_what_takes_too_much_memory_is_told_with_the_limit(answers, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(decoder, "ask", fail)
    (answer,) = answers(b"video")
    with pytest.raises(ValueError, match="takes more than 640 MiB of memory; send smaller frames, or a part of it"):
        question_of(*answer)


def test_why_there_is_no_question_is_told(answers):
    (broken, whole) = answers(b"no video", encode(frames_of(9)))
    with pytest.raises(ValueError, match="not a video"):
        question_of(*broken)
    assert question_of(*whole).frames == 9
