"""Supernets: shared weights of all candidates of a space, how they are trained, and ratings by them."""
