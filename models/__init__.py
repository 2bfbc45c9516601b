"""The vocabulary of signal timing and enforcement: frozen values and pure functions."""
