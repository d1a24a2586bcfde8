"""Pages for training, runs and models."""
