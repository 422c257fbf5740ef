"""How HTTP asks: parse, call one verb, present."""
