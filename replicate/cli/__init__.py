"""Commands of the replicator. They parse, call and print."""
