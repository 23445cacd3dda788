"""The shelves: reviewed guidance, urgency rules, and finding the right article."""
