"""What commands share on a terminal: lines, tables, progress, and how they fail."""
