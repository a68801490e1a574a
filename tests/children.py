"""`python main.py` in processes that have the imports behind them: seconds less for each of many."""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["r3d_jax.training.loop", "r3d_jax.data.demo", "r3d_jax.report.charts", "ml_collections"])


class Child:
    """A process that runs main.py, with the methods of `subprocess.Popen` that the tests need.

    Args:
      arguments: of the command line.
      printed: file that takes what it prints, on both streams.
      environment: variables that differ from this process's.
    """

    def __init__(self, arguments, printed, **environment):
        self.printed = printed
        self.process = FORKS.Process(target=_run, args=(list(map(str, arguments)), str(printed), environment))
        self.process.start()

    def poll(self):
        """The exit status, negative after a signal; None while the process runs."""
        return self.process.exitcode

    def send_signal(self, number):
        """Sends a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.process.pid, number)

    def end(self, timeout=300):
        """Waits for its end: the exit status, and what it has printed."""
        self.process.join(timeout)
        if self.poll() is None:
            self.process.kill()
            raise TimeoutError(self.printed.read_text())
        return self.poll(), self.printed.read_text()


def _run(arguments, printed, environment):
    os.environ.update(environment)
    os.chdir(ROOT)
    streams = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(streams, stream)
    sys.argv = ["main.py", *arguments]
    runpy.run_path("main.py", run_name="__main__")
