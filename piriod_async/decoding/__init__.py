"""Response bodies to records."""
