"""How the platform itself is doing: what is measured of it for the public status page, and what operators say about it."""
