"""The erasure ledger: its chain, how a record is appended, the external copy, verification."""
