import ctypes
import gc
import weakref

from r3d_jax.models import onednn_code
from r3d_jax.models.onednn_code import first_plan, immortal


def test_the_code_is_compiled_once(here):
    assert first_plan() is first_plan() and isinstance(first_plan(), ctypes.c_void_p)


def test_what_programs_read_is_kept_for_good():
    class Thing:
        pass

    kept, lost = weakref.ref(immortal(Thing())), weakref.ref(Thing())
    gc.collect()
    assert kept() is not None and lost() is None


def test_its_messages_fit_into_llvms_language():
    for text in (onednn_code.ELSEWHERE, onednn_code.FAILED):
        assert text.isascii() and not set(text) & set('"\\')
