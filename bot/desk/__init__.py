"""The desk at `/desk/`: where advisors, editors and coordinators work."""
