-- Says in place of the shape that a rebuild publishes changes: no claim goes on before the switch.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, announcement, or '' for none}
-- Returns  {'ok', what stood there, or ''}; or {'superseded'} as build.lua
--
-- Twice is harmless: the same announcement stands there again. The switch ends it.

if redis.call('HGET', control, 'building') ~= ask[2] then return {'superseded'} end
local before = redis.call('HGET', control, 'shape') or ''
if ask[3] ~= '' then
  redis.call('HSET', control, 'shape', ask[3])
else
  redis.call('HDEL', control, 'shape')
end
return {'ok', before}
