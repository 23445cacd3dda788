"""Starts the emulator of Telegram's bot API, with what it does not know yet.

Run as a program of its own: `python -m tests.simulators.emulator --port 9105 …`.
"""

from __future__ import annotations

import lo_bot_api_emulator


def main() -> None:
    """The emulator refuses parameters that it does not know. Telegram has taken this one since its bot API 7.0."""
    lo_bot_api_emulator.CONTRACT["methods"]["sendMessage"]["parameters"].append("link_preview_options")
    lo_bot_api_emulator.main()


if __name__ == "__main__":
    main()
