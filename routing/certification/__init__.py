"""Providers and their certification: the catalogue, the three steps, the 25 minimum requirements."""
