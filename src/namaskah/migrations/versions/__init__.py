"""One module a revision, named by its date."""
