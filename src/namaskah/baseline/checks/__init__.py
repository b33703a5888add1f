"""The questions of `comprehensive_testing.py`: one function each, asked of a running instance in test mode only.

`bed.py` is what a check works with, `catalogue.py` lists them all, `command.py` is the program.
"""
