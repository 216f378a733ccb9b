"""Profile documents: what attributes, consent and devices become when a batch reaches a profile. Pure."""
