"""The waiting room: who is on call, the ladder, paging, until a human has answered."""
