"""The rota: rosters, who is on call, leave, swaps, coverage, calendars."""
