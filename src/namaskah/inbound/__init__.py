"""An SMS comes in, by webhook or from the pollers: it is recorded, then offered to verifications."""
