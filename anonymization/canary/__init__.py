"""The canary verifier: unique values are planted, found, erased, and must then be nowhere.

``values`` makes them, ``doors`` says how an app lets them in, ``planting`` puts them into columns, ``spellings`` says
how a copy may be spelled, ``database`` and ``places`` say where to look, ``run`` does it all, for the command
``verify_erasure`` and for tests.
"""
