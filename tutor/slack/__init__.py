"""Interviews in Slack: in direct messages and in threads of channels."""
