"""What crosses the wire: requests and responses, and their mapping to engine values."""
