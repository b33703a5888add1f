"""One module for each row of the table; `measure(bench)` answers its figures."""
