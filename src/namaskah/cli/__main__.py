"""Lets `python -m namaskah.cli` do what the script `namaskah` does."""

from namaskah.cli import main

if __name__ == "__main__":
    main()
