"""What every domain stands on and that knows no business word: database, settings, errors, money, clock, ids.

It imports nothing from the rest of `namaskah`.
"""
