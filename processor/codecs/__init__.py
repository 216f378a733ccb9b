"""Codecs: topic bytes to values of this project and back. Bad bytes are values, never exceptions."""
