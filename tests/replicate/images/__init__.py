"""Tests of where images come from and how they are read."""
