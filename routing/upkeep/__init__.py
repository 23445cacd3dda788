"""Keeping the directory right: the form, proposals, confirmations, imports, look-alikes, what is always shown."""
