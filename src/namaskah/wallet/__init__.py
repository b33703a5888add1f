"""Money: the ledger, and the verbs that move it. Nothing outside this package writes an entry."""
