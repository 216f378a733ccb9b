"""What there is to see of a deployment, on a real broker and a real server."""
