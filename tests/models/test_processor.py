import pytest

from r3d_jax.models import processor

ZEN4 = "processor\t: 0\nmodel name\t: EPYC 9R14\nflags\t\t: fpu avx512f avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n"


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """Sets what the system says of the processor, and oneDNN's limit."""

    def put(text, limit=""):
        path = tmp_path / f"cpuinfo{len(list(tmp_path.iterdir()))}"
        path.write_text(text)
        monkeypatch.setattr(processor, "CPUINFO", path)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)

    return put


def test_bfloat16_is_what_the_first_cores_flags_say(cpuinfo):
    cpuinfo(ZEN4)
    assert processor.multiplies_bfloat16()
    cpuinfo(ZEN4.replace("avx512_bf16", "amx_bf16"))
    assert processor.multiplies_bfloat16()
    cpuinfo(ZEN4.replace("avx512_bf16", "avx512_vnni avx_ne_convert"))
    assert not processor.multiplies_bfloat16()
    cpuinfo("")
    assert not processor.multiplies_bfloat16()


def test_a_limit_of_onednn_counts(cpuinfo):
    for limit in ("AVX2", "avx512_core", "AVX512_CORE_VNNI"):
        cpuinfo(ZEN4, limit)
        assert not processor.multiplies_bfloat16()
    for limit in ("ALL", "avx512_core_bf16", "AVX512_CORE_AMX"):
        cpuinfo(ZEN4, limit)
        assert processor.multiplies_bfloat16()


def test_processors_that_differ_have_different_names(cpuinfo, monkeypatch, tmp_path):
    names = []
    for text, limit in ((ZEN4, ""), (ZEN4, "AVX2"), (ZEN4.replace("9R14", "9R45"), ""), (ZEN4.replace("fpu ", ""), "")):
        cpuinfo(text, limit)
        names.append(processor.name())
    assert len(set(names)) == 4
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert processor.name() == ""
