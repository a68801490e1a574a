import os
import signal

from r3d_jax.training.signals import WATCHED, noted


def test_the_first_signal_is_noted_and_a_second_ends_the_process():
    before = [signal.getsignal(number) for number in WATCHED]
    received = []
    with noted(received):
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
        assert {signal.getsignal(number) for number in WATCHED} == {signal.SIG_DFL}
    assert [signal.getsignal(number) for number in WATCHED] == before
