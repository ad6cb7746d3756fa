"""Pretrained weights: where they are found, how they are read and put into a network."""
