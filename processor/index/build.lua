-- Writes values into a generation that is being built.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, values {name, value, ...} ('' removes)}
-- Returns  {'ok'}; or {'superseded'} where another rebuild has begun since, or the index was emptied
--
-- Twice is harmless: the same values stand there again.

if redis.call('HGET', control, 'building') ~= ask[2] then return {'superseded'} end
base = control .. ':' .. ask[2] .. ':'
write('', ask[3])
return {'ok'}
