"""An enrichment service for UID2, as an example of what can hang on ``audience-changes``."""
