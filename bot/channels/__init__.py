"""The ways in and out, one file each. No provider's type leaves its file."""
