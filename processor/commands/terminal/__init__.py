"""What commands share on a terminal: tables, progress, and how they fail."""
