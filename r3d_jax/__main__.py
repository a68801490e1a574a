"""python -m r3d_jax COMMAND"""

from r3d_jax.cli.main import main

if __name__ == "__main__":
    main()
