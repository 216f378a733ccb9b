"""What the commands do, one module each; ``cli`` parses arguments, ``app`` runs the processor."""
