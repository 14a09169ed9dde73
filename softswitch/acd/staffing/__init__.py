"""How many agents and trunks: the queueing formulas of Erlang and Palm, and their inverses. Pure arithmetic.

Loads are in erlangs (calls a second times seconds a call), times in seconds, shares 0-1.
"""
