-- Begins a generation beside the live one, for a restore: nobody reads it before switch.lua.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, shape or '' (of whatever shape), 'reindexing' or 'restoring'}
-- Returns  {'ok', number of the new generation, seq}; or {'other_group'}, or {'other_shape', the one that
--          the space has, or the announcement of a restore (announce.lua)}
--
-- Run twice, it does no harm: another generation begins, and the one before it is to be deleted.

local owner = ask[2]
if held[3] and held[3] ~= owner then return {'other_group'} end
local shape = redis.call('HGET', control, 'shape')
if ask[3] ~= '' and shape then
  local is_new = ask[4] == 'reindexing'
  local kind, begun = string.match(shape, '^(%a+):(.*)$')
  local may = is_new or shape == ask[3]
  -- A restore that has published changes is finished as it was begun.
  if kind then may = begun == ask[3] and (is_new or kind == 'restoring') end
  if not may then return {'other_shape', shape} end
end
local marks = redis.call('HMGET', control, 'building', 'discarded')

-- Numbers of generations are small: they may be numbers here.
local highest = tonumber(held[1] or '1')
local discarded = marks[2] or ''
if marks[1] then discarded = discarded .. marks[1] .. ' ' end
for number in string.gmatch(discarded, '%d+') do highest = math.max(highest, tonumber(number)) end
local building = string.format('%d', highest + 1)

redis.call('HSET', control, 'building', building, 'written', '0', 'discarded', discarded)
return {'ok', building, seq}
