-- Shows holders and documents, and heads of documents: one instant of a space, of which nothing is written.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, {keys, bytes} to stop after, asks {{tokens {t...}, mpids {digits...}}...},
--          heads {digits...}}
-- Returns  {'ok', seq, covered, holders, documents, heads {digits, first 18 bytes, ...}, fingerprint of
--          the key that the space's tokens are made with, '' where no process has begun there}
--
-- It needs no row and looks at no epoch: who only reads cannot do harm.

local bounds, covered = ask[2], 0
for at, one in ipairs(ask[3]) do
  if covered > 0 and (found.keys >= bounds[1] or found.bytes >= bounds[2]) then break end
  collect(one[1], 1, #one[1], one[2], 1, #one[2])
  covered = at
end

-- Of each the one whom merges lead to; '' where there is nobody.
local heads = {}
for _, digits in ipairs(ask[4]) do
  local head
  repeat
    head = redis.call('GETRANGE', base .. 'p:' .. digits, 0, 17)
    local survivor = #head == 18 and string.byte(head, 10) == 1 and digits_of(head, 11)
    if survivor then digits = survivor end
  until not survivor
  heads[#heads + 1] = digits
  heads[#heads + 1] = head
end
local key = redis.call('HMGET', control, 'key')[1] or ''
return {'ok', seq, covered, found.holders, found.documents, heads, key}
