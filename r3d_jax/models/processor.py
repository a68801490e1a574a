"""What this machine's processor can do, as Linux tells it."""

import os
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Of products of bfloat16; avx_ne_convert only converts them, which is no faster than float32.
BFLOAT16 = {"avx512_bf16", "amx_bf16"}


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 by itself, and oneDNN may let it (ONEDNN_MAX_CPU_ISA)."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    allowed = limit in ("", "DEFAULT", "ALL") or any(part in limit for part in ("BF16", "FP16", "AMX", "AVX10"))
    return allowed and bool(BFLOAT16 & set(_facts(CPUINFO).get("flags", "").split()))


def name() -> str:
    """The processor's model with what it and oneDNN's limit let it do: of two equal names, the same programs run."""
    facts = _facts(CPUINFO)
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return "; ".join(filter(None, (facts.get("model name", ""), facts.get("flags", ""), limit)))


@cache
def _facts(path):
    """{what: text} of the first core."""
    try:
        lines = path.read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
