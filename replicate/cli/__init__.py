"""The replicator's commands: they parse, call and print."""
