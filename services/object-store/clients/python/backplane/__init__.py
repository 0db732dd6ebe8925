"""Clients of Backplane's services."""
