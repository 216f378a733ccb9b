"""Calculated attributes and audiences: what a person's events and data add up to.

A pure room (docs/computed.md): no I/O, no clock. It knows neither documents nor records, only what
it is handed, so that one set of functions serves the fold, sweeps, recompute and dry runs. This is
how the pipeline calls it, once per record, after ``apply_batch`` has written attributes, consent
and devices (for an identity request, after the identity decision)::

    found = matches(definitions, batch.fields["events"], Source(...))      # reading
    occasion = Occasion(mpid, record.timestamp_ms, "record", workspace, found)
    if is_settled(scope, standing, occasion, is_changed=after is not before):  # evaluate
        ...  # nothing to write; outputs show values_at(...) (workspace) and shown(...) (membership)
    evaluation = evaluate(scope, standing, occasion, facts)

* ``scope`` (definition) is compiled when the configuration is loaded; None where a scope defines
  nothing, and then nothing here is called.
* ``standing`` (state) is what the document holds. ``clock_ms``, ``due_ms`` and ``stamp`` stand in
  the document's ``more``, ``computed`` in each workspace's. It is there, if empty, for every
  workspace with definitions where the person was seen.
* ``facts`` (situation, occasion) is what each of those workspaces knows of the person before and
  after the record. It is looked at, never changed.
* ``evaluation`` has the standing to store, whether the document must be written for it, and the
  messages in the order in which they go out. ``version``, ``environment`` and ``cause`` are added
  where they are encoded. If neither ``is_changed`` nor anything else of the document is to be
  written, the standing of before stays: time alone writes nothing.

No events are read where the input is read_only or has ``compute = false``, nor of a duplicate, a
dropped batch or a dead letter. A merge passes the absorbed profiles as ``Occasion.absorbed`` and
the reason ``merge``. A sweep calls ``advance`` up to its own instant or the end of the person's
lifetime, whichever comes first; what ends then is told by ``farewell`` (announcement).
``recompute`` calls ``advance``, then ``evaluate`` with the reason ``definition``, then ``struck``
(striking). At a start ``conflicts`` and ``remembered`` (definition) compare the configuration with
what the index lists.
"""
