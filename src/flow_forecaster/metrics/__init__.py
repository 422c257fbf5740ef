"""What a team's data say about it: flow, behaviour, trend, kept promises. Pure functions above the engine's values."""
