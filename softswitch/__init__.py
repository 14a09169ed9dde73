"""A pure-Python SIP/RTP softswitch with a built-in automatic call distributor."""

__version__ = "0.1.0"
