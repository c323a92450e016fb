"""Demo data in Czech and English (with some German and Slovak). All persons are fictitious."""
