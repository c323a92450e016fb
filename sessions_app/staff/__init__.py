"""The staff pages about sessions and guests."""
