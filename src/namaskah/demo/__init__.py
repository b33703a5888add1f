"""`namaskah demo`: the main job on real messages, over HTTP, against real processes and a fresh database.

It shows what a customer and a number source see, and is a test that anybody can run: its exit code says whether
everything held that must hold.
"""

from namaskah.demo.run import run

__all__ = ["run"]
