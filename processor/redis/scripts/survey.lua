-- Returns what the live generation holds of rows: a restore compares it with what it would build, a check
-- with where the group stands.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, rows {row...}}
-- Returns  {'ok', seq, shape or '', generation, {{topic id or '', cursor or '', config or '',
--          {'<seq>:<chunk>'...}}...}, owner or '', id of the topic profiles or '',
--          fingerprint of the key or '', tag of the last change or '', how uses of request ids are
--          kept, 'short' or 'long'}, a row each
--
-- It writes nothing.

local states = {}
for at, row in ipairs(ask[2]) do
  local now = redis.call('HMGET', base .. 'r:' .. row, 'topic_id', 'cursor', 'config')
  local chunks = redis.call('LRANGE', base .. 'j:' .. row, 0, -1)
  states[at] = {now[1] or '', now[2] or '', now[3] or '', chunks}
end
local space = redis.call('HMGET', control, 'shape', 'changelog', 'key')
return {
  'ok', seq, space[1] or '', held[1] or '1', states, held[3] or '', space[2] or '', space[3] or '',
  held[4] or '', keeps_short() and 'short' or 'long'
}
