"""The web pages: server-rendered, work without JavaScript, made live by one small script.

`app.WebApp` is the ASGI application for every address outside /api/v2, /inbound and the health answers.
"""
