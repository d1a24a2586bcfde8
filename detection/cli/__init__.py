"""`python -m detection COMMAND`: one command a module, each with `add_parser` and `run`."""
