"""What operators watch: health and metrics over HTTP, and logs."""
