"""The canary verifier: plant unique values, find them, erase them, and search for them again.

- ``values`` creates the values.
- ``planters`` has the functions with which each app creates a person.
- ``planting`` writes the values into columns.
- ``spellings`` defines how a copy may be spelled.
- ``database`` and ``places`` define where to search.
- ``run`` does one complete run, for the command ``verify_erasure`` and for tests.
"""
