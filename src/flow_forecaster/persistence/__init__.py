"""What is remembered: tables, repositories that return frozen records, and the transactions around them."""
