"""Several workers under one command: processes, each a processor, with one admin server for all."""
