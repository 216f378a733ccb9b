-- Returns what the live generation holds of rows: a restore compares it with what it would build.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, rows {row...}}
-- Returns  {'ok', seq, shape or '', generation, {{topic id or '', cursor or '', {'<seq>:<chunk>'...}}
--          ...}}, one per row
--
-- It writes nothing.

local states = {}
for at, row in ipairs(ask[2]) do
  local now = redis.call('HMGET', base .. 'r:' .. row, 'topic_id', 'cursor')
  states[at] = {now[1] or '', now[2] or '', redis.call('LRANGE', base .. 'j:' .. row, 0, -1)}
end
return {'ok', seq, redis.call('HGET', control, 'shape') or '', held[1] or '1', states}
