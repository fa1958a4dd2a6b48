"""Guided ways to learn with the lab: a tour, an exercise for each drill, a decision sheet."""
