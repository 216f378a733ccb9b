-- Makes the caller the owner of rows: raises their epochs and the space's seq, returns their journals.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, owner, config, rows {{row, topic id, anew 0|1}...}, shape or '', tag,
--          how request ids are to be kept, 'short', 'long' or '' (as they are)}
-- Returns  {'ok', seq, {{epoch, cursor or nil, config, {'<seq>:<chunk>'...}, owed
--          {digits...}, mark {taken, alone, tries} of nils where none}...}, shape}, one per row;
--          shape: the first that the space was given; cursor and mark: as they were before, also where
--          anew has removed them. Or {'lost_space'}, {'other_group'} or {'other_shape', the one that the
--          space has, or the announcement of a restore}, and then nothing was written: as a claim raises
--          seq, repeated ones would otherwise hide a loss
--
-- Run twice, it does no harm: epochs and seq rise once more, and the caller goes by the reply that it got.

local owner, config, rows, shape = ask[2], ask[3], ask[4], ask[5]
if held[3] and held[3] ~= owner then return {'other_group'} end
local held_shape = redis.call('HGET', control, 'shape')
if shape ~= '' and held_shape and held_shape ~= shape then return {'other_shape', held_shape} end

-- From here on everything is written.
redis.call('HSETNX', control, 'gen', '1')
redis.call('HSET', control, 'owner', owner)
-- A new space keeps them short: nobody of a release that knows the long form alone has it.
local kept = ask[7] == '' and not held[3] and 'short' or ask[7]
if kept ~= '' then redis.call('HSET', control, 'uses', kept) end
if shape ~= '' then redis.call('HSETNX', control, 'shape', shape) end
raise(ask[6], '')
local states = {}
for at, claim in ipairs(rows) do
  local row, journal = base .. 'r:' .. claim[1], base .. 'j:' .. claim[1]
  if redis.call('HGET', row, 'topic_id') ~= claim[2] then
    -- A new row, or a topic made anew under an old name: its offsets begin again.
    redis.call('DEL', journal, base .. 'o:' .. claim[1])
    redis.call('HDEL', row, 'cursor', 'config', 'taken', 'alone', 'tries')
    redis.call('HSET', row, 'topic_id', claim[2])
  end
  redis.call('HINCRBY', row, 'epoch', 1)
  redis.call('SADD', base .. 'l', claim[1])
  local now = redis.call('HMGET', row, 'epoch', 'cursor', 'config', 'taken', 'alone', 'tries')
  local owed = redis.call('SMEMBERS', base .. 'o:' .. claim[1])
  local chunks = redis.call('LRANGE', journal, 0, -1)
  redis.call('HSET', row, 'next', config)
  if #chunks == 0 then redis.call('HSET', row, 'config', config) end
  if claim[3] == 1 then redis.call('HDEL', row, 'cursor', 'taken', 'alone', 'tries') end
  states[at] = {now[1], now[2], now[3] or '', chunks, owed, {now[4], now[5], now[6]}}
end
return {'ok', seq, states, redis.call('HGET', control, 'shape') or ''}
