"""Namaskah, an SMS verification platform: a number for a service, the code live, paid only if a code arrives.

Start reading at `docs/map.md`; `namaskah.cli` and `namaskah.app` are the two ways in.
"""

__version__ = "0.1.0"
