-- Tells what the wheel holds of some shards.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, shards {shard...}}
-- Returns  {'ok', {{when the first bucket opens, '' where there is none, profiles set aside}...}}, or
--          {'lost_space'}

local found = {}
for at, shard in ipairs(ask[2]) do
  local first = redis.call('ZRANGE', base .. 'w:' .. shard, 0, 0, 'WITHSCORES')
  found[at] = {first[2] or '', redis.call('LLEN', base .. 't:' .. shard .. ':x')}
end
return {'ok', found}
