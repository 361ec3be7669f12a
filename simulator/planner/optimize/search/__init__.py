"""Nodes judged best first, and the program that chooses among them."""
