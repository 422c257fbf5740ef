"""How jobs run: one claim loop, two doorbells."""
