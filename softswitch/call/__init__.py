"""Calls: legs, dials and menus, on top of SIP sessions and media commands. Knows no queue and no agent."""
