-- Makes the generation that was built the live one, with rows that begin where Kafka says.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, writes in all, seq when it began, owner, config, shape, least
--          seq, rows {{row, topic id, cursor}...}, id of the topic profiles or '',
--          fingerprint of the key}
-- Returns  {'ok', seq}; or {'superseded'} as build.lua, {'gone_on'} where the live generation was
--          claimed or written to since, or {'other_group'}
--
-- Run twice, the second is refused: nothing is being built. Every epoch that was ever given is at most the
-- seq of its time (a claim raises both), so an epoch of the new seq is above all of them.

local generation, owner, config, shape, least, rows = ask[2], ask[5], ask[6], ask[7], ask[8], ask[9]
if held[3] and held[3] ~= owner then return {'other_group'} end
if not is_building(generation, ask[3]) then return {'superseded'} end
if seq ~= ask[4] then return {'gone_on'} end
local discarded = redis.call('HGET', control, 'discarded') or ''

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
  redis.call('SADD', base .. 'l', given[1])
end
redis.call(
  'HSET', control,
  'gen', generation, 'owner', owner, 'shape', shape, 'key', ask[11],
  'discarded', discarded .. (held[1] or '1') .. ' '
)
if ask[10] ~= '' then redis.call('HSET', control, 'changelog', ask[10]) end
if not held[3] then redis.call('HSET', control, 'uses', 'short') end  -- a new space, as in claim.lua
redis.call('HDEL', control, 'building', 'written', 'tag')
return {'ok', seq}
