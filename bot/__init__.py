"""The front door: channels in and out, the conversation, the wiring."""
