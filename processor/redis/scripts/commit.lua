-- Writes the effects of a batch, if all that it read is still so: all of them or none.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, advances {{row, epoch, expected cursor or '', cursor, chunk}...},
--          tokens {t...} and their expected holders {h...} ('' where none),
--          mpids {digits...} and their expected versions {v...} (8 bytes, '' where absent),
--          holders to write {t, h, ...} ('' removes), documents and graves to write {digits, document, ...},
--          {seq, tag} as for visits, the tag of this commit, the keys of its note, and where entries of the
--          wheel move {taken {shard, bucket, count, MPIDs, ...}, entered {shard, bucket, when it opens,
--          {MPID...}, ...}, set aside {{shard, MPID}...}}, MPIDs of 8 bytes, and where markers change
--          those that go and those that come {{t, marker, ...}, {t, marker, ...}}}
-- Returns  {'ok', seq of this commit, news before it}, or {'conflict', seq, holders, documents, news,
--          tag}: what tokens and mpids lead to now; or {'lost_space'}, or {'lost_row' | 'newer_owner' | 'moved', number of the advance}
--
-- Run twice, the second does nothing: the cursors stand elsewhere, or the versions differ.

local advances, tokens, expected_holders = ask[2], ask[3], ask[4]
local mpids, expected_versions, holders, documents = ask[5], ask[6], ask[7], ask[8]
local taken, entered, aside = {}, {}, {}
if ask[12] then taken, entered, aside = ask[12][1], ask[12][2], ask[12][3] end
local told = news(ask[9][1], ask[9][2])
if told == 'lost' then return {'lost_space'} end

for at, advance in ipairs(advances) do
  local row, expected = advance[1], advance[3]
  local why = disowned(row, advance[2])
  if why then return {why, at} end
  local cursor = redis.call('HGET', base .. 'r:' .. row, 'cursor') or ''
  if cursor ~= expected then
    -- The epoch is the caller's, so only the caller can have moved it.
    if cursor == '' or (expected ~= '' and below(cursor, expected)) then return {'lost_row', at} end
    return {'moved', at}
  end
end

local function is_as_read()
  local now = {}
  fetch('i:', tokens, 1, #tokens, now)
  for at = 1, #tokens do
    if (now[at] or '') ~= expected_holders[at] then return false end
  end
  for at = 1, #mpids do
    if redis.call('GETRANGE', base .. 'p:' .. mpids[at], 1, 8) ~= expected_versions[at] then
      return false
    end
  end
  for at = 1, #taken, 4 do
    local front = redis.call('LRANGE', bucket_key(taken[at], taken[at + 1]), 0, taken[at + 2] - 1)
    if table.concat(front) ~= taken[at + 3] then return false end
  end
  return true
end

-- Documents with the seq of this commit in the graves among them: header (18 bytes), time (8), seq (8), why.
local function with_seq(written)
  local its
  for at = 2, #written, 2 do
    if string.byte(written[at], 10) == 2 then
      its = its or bytes_of(seq)
      written[at] = string.sub(written[at], 1, 26) .. its .. string.sub(written[at], 35)
    end
  end
  return written
end

-- Whoever is entered again was set aside before, perhaps: shard, bucket, when it opens, MPIDs.
local function take_from_shelf(its)
  for at = 1, #its, 4 do
    local shelf = bucket_key(its[at], 'x')
    if redis.call('EXISTS', shelf) == 1 then
      for _, mpid in ipairs(its[at + 3]) do redis.call('LREM', shelf, 0, mpid) end
    end
  end
end

-- Takes a marker of 25 characters from what stands under a token, or puts it there, in its order.
local function remark(token, marker, comes)
  local key = base .. 'i:' .. token
  local value = redis.call('GET', key) or ''
  local first = string.find(value, '!', 1, true) or #value + 1
  local parts, is_put = {string.sub(value, 1, first - 1)}, not comes
  for at = first, #value, 25 do
    local other = string.sub(value, at, at + 24)
    if other == marker then
      if comes then parts[#parts + 1] = other end
      is_put = true
    else
      if not is_put and bytes_below(marker, other) then
        parts[#parts + 1] = marker
        is_put = true
      end
      parts[#parts + 1] = other
    end
  end
  if not is_put then parts[#parts + 1] = marker end
  local now = table.concat(parts)
  if now == '' then redis.call('DEL', key) else redis.call('MSET', key, now) end
end

if not is_as_read() then
  collect(tokens, 1, #tokens, mpids, 1, #mpids)
  return {'conflict', seq, found.holders, found.documents, told, held[4] or ''}
end

-- From here on everything is written. Cursors come last: if the right to a command is missing half way,
-- the cursor still stands before these records, and journal entries beyond a cursor are not used.
raise(ask[10], ask[11])
for _, advance in ipairs(advances) do
  redis.call('RPUSH', base .. 'j:' .. advance[1], seq .. ':' .. advance[5])
end
enter(entered)
take_from_shelf(entered)
write('i:', holders)
write('p:', with_seq(documents))
if ask[13] then
  for at = 1, #ask[13][1], 2 do remark(ask[13][1][at], ask[13][1][at + 1], false) end
  for at = 1, #ask[13][2], 2 do remark(ask[13][2][at], ask[13][2][at + 1], true) end
end
for _, one in ipairs(aside) do redis.call('RPUSH', bucket_key(one[1], 'x'), one[2]) end
for at = 1, #taken, 4 do
  local shard, bucket = taken[at], taken[at + 1]
  redis.call('LTRIM', bucket_key(shard, bucket), taken[at + 2], -1)
  if redis.call('EXISTS', bucket_key(shard, bucket)) == 0 then
    redis.call('ZREM', base .. 'w:' .. shard, bucket)
  end
end
for _, advance in ipairs(advances) do
  local row = base .. 'r:' .. advance[1]
  local config = redis.call('HGET', row, 'next') or ''
  redis.call('HSET', row, 'cursor', advance[4], 'config', config)
end
return {'ok', seq, told}
