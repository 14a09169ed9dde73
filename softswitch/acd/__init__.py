"""The automatic call distributor: queues, agents and their matching as plain values on an argument clock.

It imports the kernel only. `switch` feeds it events and performs its effects with real calls.
"""
