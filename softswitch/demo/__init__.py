"""The demo: the real switch with real callers and agents of our own, and the phones that they use."""
