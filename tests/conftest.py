"""Two virtual CPU devices, a compilation cache, shapes checked in every call, and what many tests share."""

import fcntl
import gc
import io
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Two devices; and code that is compiled in a fraction of the time, which is what tests of tiny networks need.
os.environ["XLA_FLAGS"] = " ".join(
    [
        "--xla_force_host_platform_device_count=2",
        "--xla_cpu_parallel_codegen_split_count=1",
        "--xla_backend_optimization_level=0",
        # The older emitters, a third of the time to compile; an unknown flag would end the process.
        *(["--xla_cpu_use_fusion_emitters=false"] if version("jaxlib").startswith("0.10.") else []),
    ]
)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.05"

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import shapes  # noqa: E402

shapes.check("r3d_jax")

gc.set_threshold(50_000, 50, 50)  # a worker holds so much that looking through it is a tenth of its time
DATA = Path(os.environ.get("R3D_JAX_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def devices():
    import jax  # not above: the process that hands the tests out has no need of it

    assert jax.device_count() == 2
    return jax.devices()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """A folder that all of pytest's workers see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def once(shared):
    """A context for what one worker does while the others wait for it."""

    @contextmanager
    def locked(name):
        with (shared / f"{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    return locked


@pytest.fixture(scope="session")
def data_dir(shared):
    """Where data sets are prepared."""
    return shared / "data"


@pytest.fixture(scope="session")
def demo_videos(data_dir, once):
    """The demo data set, drawn once, and again when what draws and prepares it has changed."""
    from r3d_jax.data.demo import Demo

    sources = [
        path.read_bytes() for room in ("data", "video") for path in sorted((ROOT / "r3d_jax" / room).glob("*.py"))
    ]
    kept = ROOT / ".pytest_cache" / f"demo-{sha256(b''.join(sources)).hexdigest()[:16]}"
    with once("demo"):
        here = data_dir / "demo"
        if kept.is_dir() and not here.exists():
            shutil.copytree(kept, here)
        videos = Demo(data_dir=str(data_dir)).load()
        if not kept.is_dir():
            unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
            shutil.copytree(here, unfinished)
            with suppress(OSError):  # another run of the tests was quicker
                unfinished.rename(kept)
        return videos


@pytest.fixture(scope="session")
def ucf101_mini():
    """A folder of 77 real UCF-101 videos with the official split files."""
    folder = DATA / "ucf101_mini"
    if not folder.is_dir():
        pytest.skip(f"no real videos in {DATA} (R3D_JAX_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def odd():
    """A folder of real files that break readers."""
    folder = DATA / "odd"
    if not folder.is_dir():
        pytest.skip(f"no real videos in {DATA} (R3D_JAX_TEST_DATA)")
    return folder


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium without a window and without any network but this machine."""
    if not shutil.which("chromedriver"):
        assert not os.environ.get("CI"), "chromium and chromium-driver are missing"
        pytest.skip("no chromium and chromium-driver (Debian's packages)")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    quiet = (
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "disable-quic",
        "no-first-run",
    )
    nowhere = "host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    for flag in ("headless", "no-sandbox", "disable-gpu", "window-size=1100,1400", nowhere, *quiet):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def main():
    """`python main.py ...` in a process of its own: (exit status, what it printed on both streams)."""

    def run(*arguments, **environment):
        command = [sys.executable, "main.py", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="session")
def main_here():
    """`python main.py ...` within this process, for what does not need one of its own: seconds of imports less."""
    from r3d_jax.cli.train import main

    def run(*arguments):
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        status = ended.value.code
        if isinstance(status, str):  # which `sys.exit` prints
            printed.write(f"{status}\n")
            status = 1
        return status or 0, printed.getvalue()

    return run


@pytest.fixture(scope="session")
def tiny_run(main, data_dir, demo_videos, shared, once):
    """A finished run of tests/tiny.py, to be copied: its folder and what it printed."""
    run, text = shared / "tiny" / "run", shared / "tiny.txt"
    with once("tiny"):
        if not text.exists():
            status, printed = main("--config=tests/tiny.py", f"--config.data.data_dir={data_dir}", f"--workdir={run}")
            assert status == 0, printed
            text.write_text(printed)
    return run, text.read_text()


def pytest_collection_modifyitems(items):
    """What needs a browser or a run that has been trained is slow."""
    for item in items:
        if {"browser", "tiny_run", "demo"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_teardown(item, nextitem):
    """What outlives a file's tests (modules, traces) is not looked through for garbage again, half a second a time."""
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_collection_finish():
    gc.freeze()
