"""Networks as chains of blocks: which can be built, how they are taken apart and frozen."""
