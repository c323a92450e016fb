"""Pages of Settings, and what of a WebChat is public: permanent consent texts, colours, logo."""
