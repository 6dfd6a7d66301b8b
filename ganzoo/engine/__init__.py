"""The engine: one training loop for every model, and the parts it is made of."""
