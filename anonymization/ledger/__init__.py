"""The erasure ledger: hash chain, recording, external copy and verification."""
