"""Many videos: data sets by their TFDS builders, and batches of clips as functions of their number."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "augmentation": ["augment", "color_jitter", "mix_pairs", "rand_augment", "random_erase"],
        "batches": ["Batches", "eval_batches", "read_ahead", "train_batches"],
        "builder": ["VideoSet"],
        "contact_sheet": ["draw_sheet"],
        "demo": ["Demo"],
        "hmdb51": ["HMDB51"],
        "kinetics": ["Kinetics"],
        "sampling": ["split_rows"],
        "ucf101": ["UCF101"],
        "video_folder": ["VideoFolder"],
    },
)
