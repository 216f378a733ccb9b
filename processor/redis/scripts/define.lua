-- Remembers which meaning each version of a definition has, where nobody else did meanwhile.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, what the caller has read, what is to be remembered; '' only asks}
-- Returns  {'ok', what is remembered now}, {'changed', what others remember}, or {'other_group'}
--
-- Run twice, it does no harm: the second time what is remembered is what the caller wants.

if held[3] and held[3] ~= ask[2] then return {'other_group'} end
local known = redis.call('HGET', control, 'definitions') or ''
if ask[4] == '' or known == ask[4] then return {'ok', known} end
if known ~= ask[3] then return {'changed', known} end
redis.call('HSET', control, 'definitions', ask[4])
return {'ok', ask[4]}
