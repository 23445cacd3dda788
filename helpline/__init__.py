"""The ground floor: time, settings, words, privacy, storage, accounts."""
