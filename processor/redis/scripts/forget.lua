-- Strikes a generation whose keys are gone off the list of discarded ones; returns the rest.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation whose keys are gone, or ''}
-- Returns  {'ok', {generation...}}: those whose keys are still to be deleted
--
-- Run twice, the second changes nothing: it is not in the list any more.

local left = {}
for number in string.gmatch(redis.call('HGET', control, 'discarded') or '', '%d+') do
  if number ~= ask[2] then left[#left + 1] = number end
end
if ask[2] ~= '' then
  redis.call('HSET', control, 'discarded', table.concat(left, ' ') .. (#left > 0 and ' ' or ''))
end
return {'ok', left}
