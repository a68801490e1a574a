import ctypes
import gc
import os
import subprocess
import sys
import weakref

import jax
import numpy as np
import pytest

from r3d_jax.models import onednn_call, onednn_library
from r3d_jax.models.onednn_call import Place, Step, add_plan, call, first_plan, immortal
from r3d_jax.models.onednn_library import DESTINATION, SOURCE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def test_the_code_is_compiled_once(here):
    assert first_plan() is first_plan() and isinstance(first_plan(), ctypes.c_void_p)


def test_a_thread_that_cannot_be_started_is_told():
    with pytest.raises(OSError, match=r"oneDNN's thread cannot be started: .*; R3D_JAX_ONEDNN=0 needs none"):
        onednn_call._check(11)


def test_what_programs_read_is_kept_for_good():
    class Thing:
        pass

    kept, lost = weakref.ref(immortal(Thing())), weakref.ref(Thing())
    gc.collect()
    assert kept() is not None and lost() is None


def turned(key):
    """A plan that turns [3, 5] round."""
    given, wanted = (onednn_library.described((3, 5), strides, "float32") for strides in ((5, 1), (1, 3)))
    ends = {SOURCE: onednn_library.memory(given), DESTINATION: onednn_library.memory(wanted)}
    operation = onednn_library.reorder(given, wanted)
    places = [Place(ends[SOURCE], 0, 0), Place(ends[DESTINATION], 1, 0)]
    add_plan(key, places, [Step(onednn_library.primitive(operation), ends)])


def called(key, x):
    (found,) = jax.jit(lambda x: call(key, [jax.ShapeDtypeStruct((5, 3), np.float32)], x))(x)
    return np.asarray(found)


def test_a_plan_runs_on_the_calls_arrays(here, rng):
    for key in (1, -2):
        turned(key)
    for key in (1, -2, 1):
        x = rng.standard_normal((3, 5), np.float32)
        np.testing.assert_array_equal(called(key, x), x.T)


def test_devices_run_a_plan_at_the_same_time(here, rng, devices):
    turned(3)
    x = rng.standard_normal((2, 3, 5), np.float32)
    run = jax.pmap(lambda x: call(3, [jax.ShapeDtypeStruct((5, 3), np.float32)], x)[0], devices=devices)
    for _ in range(20):
        np.testing.assert_array_equal(run(x), x.swapaxes(1, 2))


def test_a_plan_that_nobody_has_made_is_an_error(here, rng):
    first_plan()  # or XLA would not know the code
    with pytest.raises(Exception, match="compiled in another process, which has planned its convolutions"):
        called(4, rng.standard_normal((3, 5), np.float32))


def test_what_onednn_fails_to_run_is_an_error(here, rng):
    description = onednn_library.described((3, 5), (5, 1), "float32")
    operation = onednn_library.reorder(description, description)
    add_plan(5, [], [Step(onednn_library.primitive(operation), {})])
    with pytest.raises(Exception, match="oneDNN failed to run a convolution that it had planned; R3D_JAX_ONEDNN=0"):
        called(5, rng.standard_normal((3, 5), np.float32))


PROGRAM = """
import sys
import jax, jax.numpy as jnp, numpy as np
from r3d_jax.models import conv3d, onednn_probe
assert onednn_probe.holds("float32", "y")
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
conv3d.WORTHWHILE = 0
step = jax.jit(jax.value_and_grad(lambda k, x: jnp.sum(jnp.tanh(conv3d.conv3d(x, k, padding=(1, 1, 1))))))
assert "onednn" in step.lower(np.ones((3, 3, 3, 4, 6), np.float32), np.ones((2, 4, 6, 6, 4), np.float32)).as_text()
value, gradient = step(np.ones((3, 3, 3, 4, 6), np.float32) / 99, np.ones((2, 4, 6, 6, 4), np.float32))
{end}
print(f"{{float(value):.3f}} {{float(jnp.abs(gradient).sum()):.3f}}", "/jax/compilation_cache/cache_hits" in hits)
"""


def process(folder, end="", **environment):
    environment = os.environ | {"XLA_FLAGS": ""} | environment
    command = [sys.executable, "-c", PROGRAM.format(end=end), str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_program_is_kept_from_one_process_to_the_next(here, tmp_path):
    first, second = (process(tmp_path / "kept") for _ in range(2))
    (values, hit), (again, hit_again) = (done.stdout.rsplit(maxsplit=1) for done in (first, second))
    assert values == again and (hit, hit_again) == ("False", "True"), second.stderr


@pytest.mark.slow
def test_a_process_may_end_while_a_program_runs(here, tmp_path):
    end = """
x = np.ones((8, 8, 112, 112, 16), np.float32)
for _ in range(4):
    step(np.ones((3, 3, 3, 16, 16), np.float32), x)
sys.exit(7)
"""
    done = process(tmp_path / "kept", end)
    assert done.returncode == 7, done.stderr


@pytest.mark.slow
def test_the_number_of_threads_does_not_grow_with_that_of_xlas_threads(here, tmp_path):
    end = """
from pathlib import Path
from functools import partial
import r3d_jax as r3d
clip = r3d.ClipSpec(frames=8, crop=32, train_sizes=(32, 32), test_size=32)
model, tx = r3d.build("r3d_18", 8, planes=8, stem_planes=8, blocks=(1, 1, 1)), r3d.sgd(0.1)
state = r3d.init_state(model, tx, clip=clip)
batch = {"clip": np.zeros((16, 8, 32, 32, 3), np.uint8), "label": np.zeros(16, np.int32)}
train = jax.jit(partial(r3d.train_step, model=model, tx=tx), compiler_options={"xla_backend_optimization_level": 0})
for _ in range(20):
    state, metrics = train(state, batch)
jax.block_until_ready(metrics)
names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
assert names.count("tf_XLAEigen") <= 16, names  # OpenMP's have the name of the thread that called it
"""
    done = process(tmp_path / "kept", end, NPROC="16", OMP_NUM_THREADS="16")
    assert done.returncode == 0, done.stderr
