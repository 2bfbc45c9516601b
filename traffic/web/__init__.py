"""The console's pages: drawings, charts, words and templates."""
