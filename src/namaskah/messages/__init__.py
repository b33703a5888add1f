"""What an SMS says: the record of it, and the code that is read out of it (`extract`: text in, code out)."""
