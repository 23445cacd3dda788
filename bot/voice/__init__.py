"""Spoken conversations: calls that wake advisors, and clinicians who call the line."""
