"""Which service fits: what speaks for each and against it, in which order, and the words for that."""
