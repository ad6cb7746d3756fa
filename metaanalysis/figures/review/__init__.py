"""The review's figures and tables, redrawn from the database."""
