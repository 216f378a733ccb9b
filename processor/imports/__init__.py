"""Files of people as batches without events: columns, cells, rows, where an import stands. Pure.

Reading files and talking to Kafka is the business of the command (docs/import.md).
"""
