"""What several papers share, as small functions for any phase of any plugin: losses, penalties, layers and the like."""
