"""Detector architectures, one package each."""
