-- Remembers which topic has the documents of a space: the first one, or with anew whichever is given. And
-- which key its tokens are made with, the first one.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, id of the topic profiles or '' where there is none, anew 0|1,
--          fingerprint of the key}
-- Returns  {'ok', the id that is remembered now or '', the fingerprint}, or {'other_group'}
--
-- Run twice, it does no harm.

if held[3] and held[3] ~= ask[2] then return {'other_group'} end
if ask[3] ~= '' then
  if ask[4] == 1 then
    redis.call('HSET', control, 'changelog', ask[3])
  else
    redis.call('HSETNX', control, 'changelog', ask[3])
  end
end
redis.call('HSETNX', control, 'key', ask[5])
local now = redis.call('HMGET', control, 'changelog', 'key')
return {'ok', now[1] or '', now[2]}
