"""The signposts: places, the service directory, and which service fits."""
