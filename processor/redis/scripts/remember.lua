-- Remembers which topic has the documents of a space: the first one, or with anew whichever is given.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, id of the topic profiles, anew 0|1}
-- Returns  {'ok', the id that is remembered now}, or {'other_group'}
--
-- Run twice, it does no harm.

if held[3] and held[3] ~= ask[2] then return {'other_group'} end
if ask[4] == 1 then
  redis.call('HSET', control, 'changelog', ask[3])
else
  redis.call('HSETNX', control, 'changelog', ask[3])
end
return {'ok', redis.call('HGET', control, 'changelog')}
