"""From a fold to a fitted model: features and pixels kept on disk, heads, loops, checkpoints."""
