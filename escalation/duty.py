"""What really was on call. Pure."""
