from functools import partial

import jax
import numpy as np
import pytest
from videos import encode, frames_of, video_set

import r3d_jax
from r3d_jax.data.batches import eval_batches
from r3d_jax.data.multi_label import multi_hot
from r3d_jax.errors import InputError
from r3d_jax.models import conv3d, onednn_probe
from r3d_jax.models.classifier import build, init_variables
from r3d_jax.models.fused import fused
from r3d_jax.training import devices as module
from r3d_jax.training import evaluation
from r3d_jax.training.evaluation import best_by, describe, evaluate
from r3d_jax.video.clips import ClipSpec

SMALL = {"blocks": (1,), "temporal_kernels": ((3,),), "temporal_conv_1x1": (False,), "pool": (1, 1, 1)}
SMALL |= {"temporal_strides": (1,), "spatial_strides": (1,), "planes": 4, "stem_planes": 4}
CLIP = ClipSpec(frames=2, crop=16, train_sizes=(16, 16), test_size=16, views=2)
MODEL = build("r3d_18", 3, **SMALL)


@pytest.fixture(scope="module")
def videos():
    return video_set([encode(frames_of(8))] * 4, [0, 1, 0, 1])


@pytest.fixture(scope="module")
def variables():
    return init_variables(MODEL, jax.random.key(0), CLIP.shape)


@pytest.mark.slow
def test_videos_that_cannot_be_read_are_missing_and_told(videos, variables, capsys):
    gone = videos._replace(records=[r | {"video": b"gone"} if i == 2 else r for i, r in enumerate(videos.records)])
    summaries = []
    for each, rows in ((gone, np.arange(4)), (videos, np.array([0, 1, 3]))):
        summaries.append(evaluate(MODEL, variables, eval_batches(each, rows, CLIP, batch_size=2), workers=1))
    assert summaries[0] == summaries[1] | {"missing": 1, "loss": pytest.approx(summaries[1]["loss"])}
    assert "1 test videos cannot be read and are not counted:\n  v2: " in capsys.readouterr().out
    assert "of 3 videos (1 missing) (no video of 1 classes); clip-level" in describe(summaries[0], 4)

    nothing = gone._replace(records=[record | {"video": b"gone"} for record in gone.records])
    with pytest.raises(InputError, match="no test video can be read"):
        evaluate(MODEL, variables, eval_batches(nothing, np.arange(4), CLIP, batch_size=2), workers=1)


@pytest.mark.slow
def test_classes_that_no_video_speaks_for_stand_beside_the_accuracy(videos, variables):
    gone = videos._replace(records=[r | {"video": b"gone"} if i % 2 else r for i, r in enumerate(videos.records)])
    for each, untested in ((videos, 1), (gone, 2)):  # of three classes there is none of the last, then of two
        summary = evaluate(MODEL, variables, eval_batches(each, np.arange(4), CLIP, batch_size=2), workers=1)
        assert summary["untested_classes"] == untested
        assert f" (no video of {untested} classes); clip-level" in describe(summary, 4)
    assert "no video of" not in describe(summary | {"untested_classes": 0}, 4)
    assert "no video of" not in describe(summary, 9)  # that are drawn from more need not be of all classes


def test_any_batch_size_counts_every_video_once_on_any_number_of_devices(videos, variables, devices):
    found = [
        evaluate(MODEL, variables, eval_batches(videos, np.arange(3), CLIP, batch_size=size), devices=devices[:count])
        for size, count in ((1, 1), (1, 2), (3, 2))
    ]
    assert found[0]["videos"] == 3 and found[0]["clips"] == 6 and found[0]["missing"] == 0
    for each in found[1:]:
        assert each == found[0] | {"loss": pytest.approx(found[0]["loss"], rel=1e-5)}


@pytest.fixture
def fusing(monkeypatch):
    """The steps that are fused, of convolutions however small."""
    if not onednn_probe.holds("float32", "fused y"):
        pytest.skip("oneDNN's convolution does not hold here")
    found = []

    def noting(*arguments):
        found.append(fused(*arguments))
        return found[-1]

    monkeypatch.setattr(conv3d, "WORTHWHILE", 0)
    monkeypatch.setattr(evaluation, "fused", noting)
    evaluation._compiled.cache_clear()
    yield found
    evaluation._compiled.cache_clear()


@pytest.mark.slow
def test_on_one_processor_convolutions_are_fused(videos, variables, devices, fusing):
    batches = eval_batches(videos, np.arange(3), CLIP, batch_size=2)
    scaled = jax.tree.map(lambda x: 2 * x, variables)
    for weights in (variables, scaled):
        two = evaluate(MODEL, weights, batches, devices=devices)
        for device in devices:  # on the second one alone too
            one = evaluate(MODEL, weights, batches, devices=[device])
            assert one == two | {"loss": pytest.approx(two["loss"], rel=1e-5)}
    assert all(fusing) and len(fusing) == 2  # each device once: not anew for other weights


@pytest.mark.slow
def test_what_compiling_a_fused_step_has_freed_goes_back_once(videos, variables, devices, fusing, monkeypatch):
    given = []
    monkeypatch.setattr(module, "give_memory_back", lambda: given.append(len(fusing)))
    evaluate(MODEL, variables, eval_batches(videos, np.arange(4), CLIP, batch_size=2), devices=devices[:1])
    assert given == [1]  # once for two batches


def test_the_meters_report_the_top_k_that_are_asked_for(videos, variables):
    batches = eval_batches(videos, np.arange(4), CLIP, batch_size=4)
    summary = evaluate(MODEL, variables, batches, topk=(1, 2, 3))
    assert {"video_top1", "video_top2", "clip_top2"} < set(summary)
    assert "video_top3" not in summary  # of three classes, any network would have it
    assert "top-1 " in describe(summary, 4) and "top-2 " in describe(summary, 4)
    assert describe(summary, 4, 0.375) == f"{describe(summary, 4)}; largest class 37.50%"


def test_the_mean_over_the_classes_stands_beside_the_mean_over_the_videos(videos, variables, devices):
    """A network that takes all for one class has all three of its videos right and none of the other class's one."""
    biased = jax.tree.map(np.array, variables)
    biased["params"]["heads_0"]["bias"] = np.array([9, 0, 0], np.float32)
    uneven = videos._replace(index=videos.index | {"label": np.array([0, 1, 0, 0])})
    summary = evaluate(MODEL, biased, eval_batches(uneven, np.arange(4), CLIP, batch_size=3), devices=devices)
    assert (summary["video_top1"], summary["mean_class_accuracy"]) == (0.75, 0.5)
    assert "video-level top-1 75.00%, mean class 50.00% of 4 videos" in describe(summary, 4)


def test_it_gives_up_when_asked(videos, variables):
    assert evaluate(MODEL, variables, eval_batches(videos, np.arange(4), CLIP), stop=lambda: True) is None


MULTI_LABEL = build("r3d_18", 3, **SMALL, activation="sigmoid")
LABELS = [(0, 1), (), (1,), (0,), (1,)]  # none is of the last class


@pytest.fixture(scope="module")
def several():
    """Five videos of two frame sizes, of several labels or none."""
    files = [encode(frames_of(count, *size)) for count, size in zip((8, 5, 9, 3, 7), [(32, 48), (32, 64)] * 3)]
    videos = video_set(files, [0] * 5)
    return videos._replace(index=videos.index | {"label": multi_hot(LABELS, 3)})


@pytest.mark.slow
def test_mean_average_precision_takes_every_video_once_on_any_number_of_devices(several, variables, devices):
    batches = eval_batches(several, np.arange(5), CLIP)
    found = {int(batch["row"][0]): batch for batch in batches}
    predict = jax.jit(partial(r3d_jax.predict_fn, model=MULTI_LABEL))
    logits = np.concatenate([predict(variables, found[row]["clips"]) for row in range(5)]).astype(np.float64)
    precisions = []
    for label in (0, 1):
        scores, positive = logits[:, label], np.array([label in its for its in LABELS])
        above = [scores >= score for score in scores[positive]]  # no two scores are equal
        precisions.append(np.mean([(positive & each).sum() / each.sum() for each in above]))
    y = multi_hot(LABELS, 3)
    loss = np.where(y, np.log1p(np.exp(-logits)), np.log1p(np.exp(logits))).mean()
    expected = {"videos": 5, "clips": 10, "loss": pytest.approx(loss, rel=1e-5), "map": np.mean(precisions)}
    expected |= {"missing": 0, "untested_classes": 1}
    for size, count in ((1, 1), (1, 2), (3, 2)):  # of which the last two are filled up with videos that do not count
        batches = eval_batches(several, np.arange(5), CLIP, batch_size=size)
        assert evaluate(MULTI_LABEL, variables, batches, devices=devices[:count]) == expected
    assert best_by(expected) == "map" and 0.3 < expected["map"] < 1
    told = describe(evaluate(MULTI_LABEL, variables, batches), 5)
    assert told == (f"video-level mAP {expected['map']:.2%} of 5 videos (no video of 1 classes); loss {loss:.4f}")


def test_several_labels_need_a_sigmoid_and_a_label(several, variables):
    with pytest.raises(InputError, match=r"several labels, and the head's `activation` .='softmax'. is for one label"):
        evaluate(MODEL, variables, eval_batches(several, np.arange(5), CLIP))
    with pytest.raises(InputError, match="none of the test videos has a label"):
        evaluate(MULTI_LABEL, variables, eval_batches(several, np.array([1]), CLIP))
