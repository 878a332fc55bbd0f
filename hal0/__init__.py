"""hal0: one Linux box as a private, OpenAI-compatible inference appliance."""

__version__ = "0.1.0"
