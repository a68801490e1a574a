"""configs/finetune.py from the command line: any network, on a folder of one's own videos."""

import json
from dataclasses import asdict, replace

import jax
import numpy as np
import pytest
from untrained import CLIP, make_network
from videos import encode, frames_of

import r3d_jax
from r3d_jax.weights import converted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finetune(main_here, tmp_path_factory):
    """`main.py --config configs/finetune.py` on ten drawn videos: (exit status, what it printed)."""
    folder = tmp_path_factory.mktemp("finetune")
    for name in ("fall", "rise"):
        (folder / "videos" / name).mkdir(parents=True)
        for i in range(5):
            (folder / "videos" / name / f"{i}.avi").write_bytes(encode(frames_of(4 + i + 5 * (name == "rise"), 20, 28)))
    converted.write(folder / "source.safetensors", make_network(), "classyvision")

    def call(*flags):
        data = {"source": folder / "videos", "data_dir": folder / "data", "test_share": 0.4, "workers": 0}
        given = [f"--config.data.{name}={value}" for name, value in data.items()]
        given += ["--config.train.batch_size=4", f"--config.finetune.source={folder}/source.safetensors"]
        return main_here("--config=configs/finetune.py", f"--workdir={folder}/run", *given, *flags)

    return folder, call


def trunk(network):
    return {kind: tree["trunk"] for kind, tree in network.variables.items()}


def test_a_network_is_fine_tuned_on_its_own_clips_above_its_frozen_part_and_resumed_without_it(finetune):
    folder, call = finetune
    flags = ["--config.finetune.freeze_until=stage1", "--config.optim.layer_decay=0.5", "--config.clip.views=2"]
    flags += ["--config.train.epochs=2", "--config.eval.every=2", "--config.finetune.head_first=0.5"]
    status, printed = call(*flags, "--config.train.checkpoint_minutes=0")
    assert status == 0, printed
    assert (
        "skipped: default_head at pathway0-stage2-block0 (3 classes)\n  clip as there: frames 4, stride 1," in printed
    )
    assert "; otherwise: views 3 there and 2 here\n" in printed and "CAUTION" not in printed
    chosen = (
        "Chosen for 7 training videos: optim.learning_rates=0.0025,2.5e-05, finetune.batch_norm=frozen; what is set"
    )
    assert chosen in printed and "From epoch 2 on, the trunk too is trained" in printed
    config = json.loads((folder / "run" / "config.json").read_text())
    assert config["clip"] == json.loads(json.dumps(asdict(replace(CLIP, views=2))))
    assert config["finetune"]["freeze_until"] == "stage1" and config["optim"]["layer_decay"] == 0.5

    there, here = make_network(), r3d_jax.load(folder / "run")
    assert here.clip == replace(CLIP, views=2) and (here.model.mean, here.model.std) == (
        there.model.mean,
        there.model.std,
    )
    same = jax.tree.map(np.array_equal, trunk(there), trunk(here))
    for block, leaves in same["params"].items():
        assert set(jax.tree.leaves(leaves)) == {"stage2" not in block}, block
    assert all(jax.tree.leaves(same["batch_stats"]))  # in small batches, those of the source are kept

    # Stopped before its last step and resumed, it ends with the same bits, though the network it began with is gone.
    (folder / "source.safetensors").rename(folder / "moved.safetensors")
    last = folder / "run" / "checkpoints" / "last"
    for checkpoint in sorted(last.iterdir(), key=lambda path: int(path.name))[1:]:
        checkpoint.rename(folder / checkpoint.name)
    status, printed = call(*flags)
    (folder / "moved.safetensors").rename(folder / "source.safetensors")
    assert status == 0 and "at step 3 of 4" in printed, printed
    again = r3d_jax.load(folder / "run")
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, here.variables, again.variables)))


def test_the_head_alone_is_trained_first(finetune, tmp_path):
    _, call = finetune
    flags = ["--config.train.epochs=2", "--config.eval.every=2", "--config.finetune.head_first=1.0"]
    status, printed = call(*flags, "--config.clip.stride=2", f"--workdir={tmp_path}/run")
    assert status == 0 and "From epoch 1 on, the head alone is trained" in printed, printed
    assert "the trunk too" not in printed
    there, here = trunk(make_network()), trunk(r3d_jax.load(tmp_path / "run"))
    assert all(jax.tree.leaves(jax.tree.map(np.array_equal, there, here)))
    assert (
        "CAUTION: the network has learned from other clips than this run shows it: `clip.stride` 1 there and 2"
        in printed
    )


def test_what_cannot_work_is_told_before_the_videos_are_read(finetune, tmp_path):
    _, call = finetune
    for flag, message in (
        (
            "--config.finetune.freeze_until=layer2",
            "no stage and no block 'layer2' in this trunk; its stages: stem, stage1",
        ),
        ("--config.finetune.source=", "leaves its clip to the network that it fine-tunes; set `finetune.source`"),
    ):
        status, printed = call(flag, f"--workdir={tmp_path}/run")
        assert status == 1 and message in printed and "videos" not in printed, printed
    assert not (tmp_path / "run").exists()


def test_a_network_without_a_run_is_tested_as_its_file_says(finetune, tmp_path):
    _, call = finetune
    there = make_network()
    clip = replace(CLIP, views=2, crops=3)
    model = there.model.clone(heads=(there.model.heads[0].clone(average="probabilities", num_classes=2),))
    head = jax.tree.map(lambda x: x[..., :2], there.variables["params"]["heads_0"])
    variables = there.variables | {"params": there.variables["params"] | {"heads_0": head}}
    file = tmp_path / "two.safetensors"
    converted.write(
        file, there._replace(model=model, variables=variables, class_names=("fall", "rise"), clip=clip), "classyvision"
    )
    flags = [f"--config.finetune.source={file}", f"--workdir={tmp_path}/new", "--mode=evaluate"]
    status, printed = call(*flags)
    assert status == 0 and "of 18 clips" in printed and "of its own" not in printed, printed  # 3 videos
