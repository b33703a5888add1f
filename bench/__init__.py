"""Measures what "fast" means for this platform, each figure beside its ceiling: `make bench`, or `python -m bench`."""
