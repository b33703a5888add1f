"""One number for one service for some minutes: start, receive, cancel, expire. states.py is the whole machine."""
