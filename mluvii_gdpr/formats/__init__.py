"""Date formats for languages in which those of Django do not suit readers of this product."""
