"""``idstream import``: files of people become batches without events on the topic of an input."""
