"""Who is asking: users, passwords, sessions of the browser, and API keys.

Begin with `keyring.py`, which every API request passes, and `sign_in.py`, which every person passes.
"""
