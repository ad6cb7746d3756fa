"""What figures are made of: the look, the finished figure, axes, keys, lines of intervals."""
