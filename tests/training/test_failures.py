import re

import numpy as np

from r3d_jax.data.reading import pack_reason
from r3d_jax.training.failures import Failures

NAMES = np.array(["a.avi", "b.avi", "c.avi"])


def batch(*failed):
    return {
        "label": np.zeros(len(failed), np.int32),
        "failed": np.array(failed),
        "reason": np.stack([pack_reason("broken" if row >= 0 else "") for row in failed]),
    }


def test_each_video_is_told_once_and_every_clip_counted(capsys):
    failures = Failures(NAMES, most=2)
    assert failures.summary() == ""
    assert list(failures.take(batch(-1, 1, -1))) == ["label"]
    failures.take(batch(1, 0, 1))
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "video b.avi cannot be read (broken); others of its class take its place",
        "video a.avi cannot be read (broken); others of its class take its place",
    ]
    assert failures.summary() == (
        "4 clips of 2 videos that cannot be read were replaced:\n  a.avi: broken\n  b.avi: broken"
    )


def test_more_than_may_fail_are_too_many_with_a_list():
    failures = Failures(NAMES, most=1.5)
    failures.take(batch(2, 2, 2))
    assert not failures.too_many()
    failures.take(batch(-1, 1))
    assert re.match(r"2 of the training videos .*max_broken(.|\n)*b.avi(.|\n)*c.avi", failures.too_many())
