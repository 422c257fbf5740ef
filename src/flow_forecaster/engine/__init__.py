"""What can be computed: pure functions on values. No framework, no clock, no settings; publishable alone."""
