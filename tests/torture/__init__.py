"""Long runs whose samples are part of ./bin/test: bounded, resumable, with a table of what was tried and failed."""
