"""From predictions to metrics with intervals and a baseline."""
