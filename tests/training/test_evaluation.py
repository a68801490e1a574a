import jax
import numpy as np
import pytest
from videos import encode, frames_of, video_set

from r3d_jax.data.batches import eval_batches as batches_of_views
from r3d_jax.errors import InputError
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.training.evaluation import describe, make_evaluate

SMALL = {"blocks": (1,), "temporal_kernels": ((3,),), "temporal_conv_1x1": (False,), "pool": (1, 1, 1)}
SMALL |= {"temporal_strides": (1,), "spatial_strides": (1,), "planes": 4, "stem_planes": 4}


def test_videos_that_cannot_be_read_are_missing_and_told(devices, capsys):
    videos = video_set([encode(frames_of(8))] * 4, [0, 1, 0, 1])
    gone = videos._replace(records=[r | {"video": b"gone"} if i == 2 else r for i, r in enumerate(videos.records)])
    model = build("r3d_18", 2, **SMALL)
    variables = init_variables(model, jax.random.key(0), (2, 16, 16, 3))
    views = {"batch_size": 2, "views": 2, "frames": 2, "stride": 1, "frame_rate": 0.0, "size": 16}
    summaries = []
    for each, rows in ((gone, np.arange(4)), (videos, np.array([0, 1, 3]))):
        batches = batches_of_views(each, rows, **views)
        evaluate = make_evaluate(model, batches, names=videos.index["name"], devices=devices, workers=1, num_classes=2)
        summaries.append(evaluate(variables))
    assert summaries[0] == summaries[1] | {"missing": 1, "loss": pytest.approx(summaries[1]["loss"])}
    assert "1 test videos cannot be read and are not counted:\n  v2: " in capsys.readouterr().out
    assert "of 3 videos (1 missing); clip-level" in describe(summaries[0], 4)

    nothing = gone._replace(records=[record | {"video": b"gone"} for record in gone.records])
    batches = batches_of_views(nothing, np.arange(4), **views)
    evaluate = make_evaluate(model, batches, names=videos.index["name"], devices=devices, workers=1, num_classes=2)
    with pytest.raises(InputError, match="no test video can be read"):
        evaluate(variables)
