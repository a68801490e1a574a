"""python main.py --config configs/ucf101.py [--workdir FOLDER] [--config.SECTION.FIELD=VALUE ...]"""

from r3d_jax.cli.train import main

if __name__ == "__main__":
    main()
