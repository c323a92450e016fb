"""Staff pages about erasures."""
