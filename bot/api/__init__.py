"""The JSON API at `/api/v1`: what the desk can do with the shelves, for programs that its staff have written."""
