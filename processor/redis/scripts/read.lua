-- Fetches what records may touch, notes the request ids they use, trims journals and notes marks: one
-- instant of a space.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, {keys, bytes} to stop after, rows {{row, epoch}...}, tokens {t...}, per ask
--          the number of tokens up to it {n...}, mpids {digits...}, per ask the same {n...},
--          uses {{ask, token, time, window, coordinates, ttl, own bucket, bucket...}...},
--          trims {{row, chunks, {digits, version, ...}}...}, marks {{row, taken, alone, tries}...}}
-- Returns  {'ok', seq, covered, holders, documents, duplicates {0|1 per use}, owed {{digits...} per
--          trim}, newer {digits, document, ...}}
--          or {'lost_space'}, or {'lost_row' | 'newer_owner', number of the row}
--
-- Run twice, a use does no harm: it is told by its coordinates. A trim would drop more chunks, but nobody
-- sends one twice: after a lost reply the caller claims its rows anew, and the old epoch is refused.

local bounds, rows, tokens, token_ends = ask[2], ask[3], ask[4], ask[5]
local mpids, mpid_ends, uses, trims, marks = ask[6], ask[7], ask[8], ask[9], ask[10]

for at, row in ipairs(rows) do
  local why = disowned(row[1], row[2])
  if why then return {why, at} end
end

local covered = 0
for at = 1, #token_ends do
  if covered > 0 and (found.keys >= bounds[1] or found.bytes >= bounds[2]) then break end
  collect(
    tokens, (token_ends[at - 1] or 0) + 1, token_ends[at],
    mpids, (mpid_ends[at - 1] or 0) + 1, mpid_ends[at]
  )
  covered = at
end

-- Trims: the row owes a document that is newer than what was published.
local owed, newer, newer_bytes = {}, {}, 0
for at, trim in ipairs(trims) do
  local published = trim[3]
  owed[at] = {}
  for pair = 1, #published, 2 do
    local key = base .. 'p:' .. published[pair]
    local version = redis.call('GETRANGE', key, 1, 8)
    if #version == 8 and version ~= published[pair + 1] and bytes_below(published[pair + 1], version) then
      table.insert(owed[at], published[pair])
      if newer_bytes < bounds[2] then
        local document = redis.call('GET', key)
        newer_bytes = newer_bytes + #document
        newer[#newer + 1] = published[pair]
        newer[#newer + 1] = document
      end
    end
  end
end

-- Uses: what the buckets hold under the tokens, bucket by bucket; then use by use.
local buckets, asked, known = {}, {}, {}
for _, use in ipairs(uses) do
  if use[1] > covered then break end
  for at = 7, #use do
    local bucket = use[at]
    if not asked[bucket] then
      buckets[#buckets + 1], asked[bucket], known[bucket] = bucket, {}, {}
    end
    table.insert(asked[bucket], use[2])
  end
end
for _, bucket in ipairs(buckets) do
  for first = 1, #asked[bucket], CHUNK do
    local last = math.min(first + CHUNK - 1, #asked[bucket])
    local values = redis.call('HMGET', base .. 'd:' .. bucket, unpack(asked[bucket], first, last))
    for at = first, last do known[bucket][asked[bucket][at]] = values[at - first + 1] end
  end
end

local duplicates, changed, lifetimes = {}, {}, {}
for number, use in ipairs(uses) do
  if use[1] > covered then break end
  local token, time, window, coordinates, own = use[2], use[3], use[4], use[5], use[7]
  local is_mine, is_others = false, false
  for at = 7, #use do
    local value = known[use[at]][token]
    local before = value and {cmsgpack.unpack(value)} or {}
    for pair = 1, #before, 2 do
      if math.abs(before[pair] - time) < window then
        if before[pair + 1] == coordinates then is_mine = true else is_others = true end
      end
    end
  end
  duplicates[number] = (is_others and not is_mine) and 1 or 0
  if not (is_mine or is_others) then
    known[own][token] = (known[own][token] or '') .. cmsgpack.pack(time, coordinates)
    changed[own] = changed[own] or {}
    changed[own][token] = true
    lifetimes[own] = math.max(lifetimes[own] or 0, use[6])
  end
end

-- From here on everything is written.
for _, mark in ipairs(marks) do
  redis.call('HSET', base .. 'r:' .. mark[1], 'taken', mark[2], 'alone', mark[3], 'tries', mark[4])
end
for at, trim in ipairs(trims) do
  local journal, row, debt = base .. 'j:' .. trim[1], base .. 'r:' .. trim[1], base .. 'o:' .. trim[1]
  redis.call('LTRIM', journal, trim[2], -1)
  if redis.call('EXISTS', journal) == 0 then
    redis.call('HSET', row, 'config', redis.call('HGET', row, 'next') or '')
  end
  if redis.call('EXISTS', debt) == 1 then
    local published = trim[3]
    for pair = 1, #published, 2 do redis.call('SREM', debt, published[pair]) end
  end
  for first = 1, #owed[at], CHUNK do
    redis.call('SADD', debt, unpack(owed[at], first, math.min(first + CHUNK - 1, #owed[at])))
  end
end
for _, bucket in ipairs(buckets) do
  if changed[bucket] then
    local key, pairs_of = base .. 'd:' .. bucket, {}
    for token in pairs(changed[bucket]) do
      pairs_of[#pairs_of + 1] = token
      pairs_of[#pairs_of + 1] = known[bucket][token]
    end
    for first = 1, #pairs_of, CHUNK do
      redis.call('HSET', key, unpack(pairs_of, first, math.min(first + CHUNK - 1, #pairs_of)))
    end
    redis.call('PEXPIRE', key, lifetimes[bucket])
  end
end
return {'ok', seq, covered, found.holders, found.documents, duplicates, owed, newer}
