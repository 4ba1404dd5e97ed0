"""Which page to ask for next. No HTTP."""
