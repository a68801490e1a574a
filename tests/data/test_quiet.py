import logging

from r3d_jax.data.quiet import usual_warnings_off


def test_other_warnings_are_not_kept_back(caplog):
    caplog.set_level(logging.WARNING, logger="absl")  # whatever the tests before have set
    with usual_warnings_off():
        logging.getLogger("absl").warning("Variant folder %s has no %s", "some", "dataset_info.json")
        logging.getLogger("absl").warning("Using custom data configuration: %s", "some")
        logging.getLogger("absl").warning("something %s", "else")
    logging.getLogger("absl").warning("Using custom data configuration: %s", "after")
    assert caplog.messages == ["something else", "Using custom data configuration: after"]
