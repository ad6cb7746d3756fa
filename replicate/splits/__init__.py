"""Which images train, validate and test; what the parts share."""
