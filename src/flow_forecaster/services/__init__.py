"""What we do: one verb per use case. No web framework, no queue, no settings."""
