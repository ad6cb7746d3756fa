"""``python -m medtl_meta``: the command line."""

from medtl_meta.cli import main

if __name__ == "__main__":
    main()
