"""The providers as others built them: an emulator of Telegram's bot API, and Twilio's own description of its API."""
