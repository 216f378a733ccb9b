-- Makes the generation that was built the live one, with rows that begin where Kafka says.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, owner, config, shape, least seq, rows {{row, topic id,
--          cursor}...}}
-- Returns  {'ok', seq}; or {'superseded'} as build.lua, or {'other_group'}
--
-- Twice is harmless: the second time nothing is being built. Every epoch that was ever given is at
-- most the seq of its time (a claim raises both), so an epoch of the new seq is above all of them.

local generation, owner, config, shape, least, rows = ask[2], ask[3], ask[4], ask[5], ask[6], ask[7]
if held[3] and held[3] ~= owner then return {'other_group'} end
local marks = redis.call('HMGET', control, 'building', 'discarded')
if marks[1] ~= generation then return {'superseded'} end

-- From here on everything is written.
if below(seq, least) then redis.call('HSET', control, 'seq', least) end
redis.call('HINCRBY', control, 'seq', 1)
seq = redis.call('HGET', control, 'seq')
base = control .. ':' .. generation .. ':'
for _, given in ipairs(rows) do
  redis.call(
    'HSET', base .. 'r:' .. given[1],
    'epoch', seq, 'topic_id', given[2], 'cursor', given[3], 'config', config, 'next', config
  )
end
redis.call(
  'HSET', control,
  'gen', generation, 'owner', owner, 'shape', shape,
  'discarded', (marks[2] or '') .. (held[1] or '1') .. ' '
)
redis.call('HDEL', control, 'building')
return {'ok', seq}
