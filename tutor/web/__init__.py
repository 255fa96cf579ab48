"""The page in the browser: a Gradio page of ours behind a small server of ours."""

from tutor.web.server import serve

__all__ = ["serve"]
