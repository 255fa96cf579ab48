"""A mock interviewer for LLM and AI-engineer interviews, in Chinese and English."""
