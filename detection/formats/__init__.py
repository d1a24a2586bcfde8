"""Dataset formats, one module a format, each with a named reader and writer."""
