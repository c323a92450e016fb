"""Proof that the stored evidence of consent is genuine: HMACs, anchors in the ledger, verification."""
