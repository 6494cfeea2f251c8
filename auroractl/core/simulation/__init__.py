"""Simulation of durability."""
