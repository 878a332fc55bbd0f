"""A server for transcriptions around an engine: what `hal0.backends.sphinx` and `hal0.backends.moonshine` share."""
