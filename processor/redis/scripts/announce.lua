-- Says in place of the shape that a rebuild publishes changes: no claim goes on before the switch.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, writes so far, announcement, or '' for none}
-- Returns  {'ok', what stood there, or ''}; or {'superseded'} as build.lua
--
-- Twice is refused: by then there is a write more. The switch ends the announcement.

if not is_building(ask[2], ask[3]) then return {'superseded'} end
redis.call('HINCRBY', control, 'written', 1)
local before = redis.call('HGET', control, 'shape') or ''
if ask[4] ~= '' then
  redis.call('HSET', control, 'shape', ask[4])
else
  redis.call('HDEL', control, 'shape')
end
return {'ok', before}
