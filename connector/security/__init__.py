"""To be told by its builder."""
