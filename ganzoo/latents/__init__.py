"""Tools for any model with a latent: walks, truncation, mixing, projection, directions. They know a model by `inputs`,
`intermediate` and `generate` alone."""
