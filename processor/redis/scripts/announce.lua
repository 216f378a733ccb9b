-- Puts an announcement in place of the space's shape: a restore publishes changes, and no processor may
-- claim rows before switch.lua.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, writes so far, announcement, or '' for none}
-- Returns  {'ok', what stood there, or ''}; or {'superseded'} as build.lua
--
-- Run twice, the second is refused: by then there is a write more. The switch ends the announcement.

if not is_building(ask[2], ask[3]) then return {'superseded'} end
redis.call('HINCRBY', control, 'written', 1)
local before = redis.call('HGET', control, 'shape') or ''
if ask[4] ~= '' then
  redis.call('HSET', control, 'shape', ask[4])
else
  redis.call('HDEL', control, 'shape')
end
return {'ok', before}
