"""What the chat platforms share: a message of a person in, posts out, each answered exactly once."""
