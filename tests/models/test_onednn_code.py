from r3d_jax.models import onednn_code


def test_its_messages_fit_into_llvms_language():
    for text in (onednn_code.ELSEWHERE, onednn_code.FAILED):
        assert text.isascii() and not set(text) & set('"\\')
