"""What profiles know besides identities: rules of attributes, consent, devices; documents."""
