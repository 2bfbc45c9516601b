"""HTTP: the API under /api/v1 and the console's pages."""
