-- Tells who was set aside in a space: whom no sweep comes to.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, shards {shard...}}
-- Returns  {'ok', {MPIDs of a shard, 8 bytes each...}}, or {'lost_space'}

local found = {}
for at, shard in ipairs(ask[2]) do
  found[at] = table.concat(redis.call('LRANGE', base .. 't:' .. shard .. ':x', 0, -1))
end
return {'ok', found}
