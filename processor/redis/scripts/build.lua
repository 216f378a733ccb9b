-- Writes values into a generation that is being built.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, writes so far, values {name, value, ...} ('' removes),
--          entries of the wheel as in shared.lua, where there are any}
-- Returns  {'ok'}; or {'superseded'} where another restore has begun since, or writes of this one were
--          lost
--
-- Run twice, the second is refused: by then there is a write more.

if not is_building(ask[2], ask[3]) then return {'superseded'} end
redis.call('HINCRBY', control, 'written', 1)
base = control .. ':' .. ask[2] .. ':'
write('', ask[4])
if ask[5] then enter(ask[5]) end
return {'ok'}
