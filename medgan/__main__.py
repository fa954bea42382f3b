"""`python -m medgan`."""

from medgan.cli import main

if __name__ == "__main__":  # processes that it starts import it, too
    main()
