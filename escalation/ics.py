"""Calendar files. Pure."""
