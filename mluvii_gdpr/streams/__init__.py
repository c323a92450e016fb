"""The event streams: who is admitted, what is sent, and what wakes them."""
