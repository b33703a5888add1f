"""Where numbers come from: the contract with upstreams, the sandbox of the test mode, and our own inventory.

An upstream is one file that fulfils `base.Provider`; `registry.Providers` says which ones a live order may
go to.
"""
