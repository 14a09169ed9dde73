"""Audio codecs: arrays in, arrays out; they know nothing of RTP or SIP."""
