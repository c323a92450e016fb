"""Formats of dates where those of Django do not suit readers of this product."""
