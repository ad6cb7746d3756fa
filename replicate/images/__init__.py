"""Images and their labels: where they come from, how they are read, what belongs together."""
