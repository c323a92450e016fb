"""Demo data in Czech and English (with some German and Slovak): nobody in it exists."""
