"""How each advisor is reached: their own rules, quiet hours and stand-ins, and tests before a shift."""
