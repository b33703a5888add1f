"""API v2: one table of operations (`operations.py`), the ASGI application that serves it (`app.py`) and its description.

To add an operation, write its handler in the file of its subject and add its entry there; routing, OpenAPI and the
reference page follow from it.
"""
