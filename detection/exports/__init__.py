"""A trained detector in the forms that other programs read, each proven on real images."""
