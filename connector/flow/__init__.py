"""What is done, step by step: plain functions, with the tools passed in."""
