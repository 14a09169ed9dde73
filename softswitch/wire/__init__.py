"""Bytes to values and back: SIP, SDP, RTP, RTCP, DTMF events, and the protocol between control and media."""
