"""What profiles know besides identities: pure rules of attributes, consent and devices, and documents."""
