"""The ASGI application for servers that look for `main:app`, such as `uvicorn main:app`.

Everything is decided in `namaskah.app`; settings come from the environment (see `.env.example`).
"""

from namaskah.app import create_app

app = create_app()
