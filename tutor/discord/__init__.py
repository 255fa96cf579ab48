"""Interviews in Discord: in direct messages and in a thread of their own in channels."""
