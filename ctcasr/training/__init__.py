"""Training: configuration, batches, the loop, checkpoints, export (torch)."""
