"""Looks at a running instance from outside, in test mode only: how fast it is, and whether it behaves.

`run.py` is the short measurement behind `namaskah baseline`, `checks/` the questions of `comprehensive_testing.py`; both
ask through `probe.py`.
"""
