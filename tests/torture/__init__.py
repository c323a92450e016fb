"""Long test runs: limited, resumable, with a table of failures. ./bin/test runs samples."""
