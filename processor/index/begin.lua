-- Begins a generation beside the live one, for a rebuild: nobody reads it before switch.lua.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, shape or ''}
-- Returns  {'ok', number of the new generation}; or {'other_group'}, or {'other_shape', the one that
--          the space has}
--
-- Twice is harmless: another generation begins, and the one before it is to be deleted.

local owner = ask[2]
if held[3] and held[3] ~= owner then return {'other_group'} end
local shape = redis.call('HGET', control, 'shape')
if ask[3] ~= '' and shape and shape ~= ask[3] then return {'other_shape', shape} end
local marks = redis.call('HMGET', control, 'building', 'discarded')

-- Numbers of generations are small: they may be numbers here.
local highest = tonumber(held[1] or '1')
local discarded = marks[2] or ''
if marks[1] then discarded = discarded .. marks[1] .. ' ' end
for number in string.gmatch(discarded, '%d+') do highest = math.max(highest, tonumber(number)) end
local building = string.format('%d', highest + 1)

redis.call('HSET', control, 'building', building, 'discarded', discarded)
return {'ok', building}
