"""What a replication will cost on this machine."""
