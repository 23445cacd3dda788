"""Referrals: what was agreed with the patient, what came of it, and what that says about the directory."""
