"""The wing of staff pages about sessions and guests."""
