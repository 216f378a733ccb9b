-- Fetches what records may touch, notes the request ids they use, trims journals and notes marks: one
-- instant of a space.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, {keys, bytes} to stop after, rows {{row, epoch}...}, tokens {t...}, per ask
--          the number of tokens up to it {n...}, mpids {digits...}, per ask the same {n...},
--          uses of request ids: {forms {that to note, and perhaps the other}, groups {{window, ttl,
--          buckets {own, ...}, asks {n...}, per form {tokens {t...}, {token, use, ...}}}...}}, a token at
--          most once in a group,
--          trims {{row, chunks, {digits, version, ...}}...}, marks {{row, taken, alone, tries}...},
--          {seq, tag} that the caller knows the space as of, '' where none,
--          and where entries of the wheel are asked for {shard, as of, most}}
-- Returns  {'ok', seq, covered, holders, documents, duplicates {ask...}, owed {{digits...} per trim},
--          newer {digits, document, ...}, news, tag, rest 0|1}, and entries {bucket, MPIDs of 8 bytes, ...}
--          if asked, with the graves found {digits...} that may not go yet, and where a case was found with
--          all else that rows owe, and the seq of the oldest journal chunk, '' where there is none or no
--          case; or {'lost_space'}, or {'lost_row' | 'newer_owner', number of the row}; or
--          {'uses', form, rest 0|1}, with nothing written, where the caller has not sent uses in the form
--          that the space has, or not in the other one though rest is 1: some of that may count
--
-- Run twice, a use does no harm: it is told by its coordinates. A trim would drop more chunks, but nobody
-- sends one twice: after a lost reply the caller claims its rows anew, and the old epoch is refused.

local bounds, rows, tokens, token_ends = ask[2], ask[3], ask[4], ask[5]
local mpids, mpid_ends, trims, marks = ask[6], ask[7], ask[9], ask[10]
local forms, uses = ask[8][1], ask[8][2]
local told = news(ask[11][1], ask[11][2])
if told == 'lost' then return {'lost_space'} end

for at, row in ipairs(rows) do
  local why = disowned(row[1], row[2])
  if why then return {why, at} end
end

-- Buckets of uses are 'u:' in the short form, 'd:' in the long one: the only one of spaces that a release
-- before the short form began, until they are told otherwise (claim.lua).
local function bucket_of(form, bucket) return base .. form .. ':' .. bucket end

local form, other = 'u', 'd'
if not keeps_short() then form, other = 'd', 'u' end
local rest = 0
for _, group in ipairs(uses) do
  for _, bucket in ipairs(group[3]) do
    if rest == 0 then rest = redis.call('EXISTS', bucket_of(other, bucket)) end
  end
end
if #uses > 0 and (forms[1] ~= form or (rest == 1 and not forms[2])) then return {'uses', form, rest} end

local covered = 0
for at = 1, #token_ends do
  if covered > 0 and (found.keys >= bounds[1] or found.bytes >= bounds[2]) then break end
  collect(
    tokens, (token_ends[at - 1] or 0) + 1, token_ends[at],
    mpids, (mpid_ends[at - 1] or 0) + 1, mpid_ends[at]
  )
  covered = at
end

-- Entries at the front of the open buckets of a shard, with their documents, a slice at a time: they may
-- be large.
local function take(shard, as_of, most)
  local taken, left = {}, most
  local open = redis.call('ZRANGE', base .. 'w:' .. shard, '-inf', as_of, 'BYSCORE', 'LIMIT', 0, most)
  for _, bucket in ipairs(open) do
    local mpids = redis.call('LRANGE', base .. 't:' .. shard .. ':' .. bucket, 0, left - 1)
    for first = 1, #mpids, SLICE do
      if #taken > 0 and (found.keys >= bounds[1] or found.bytes >= bounds[2]) then return taken end
      local names, last = {}, math.min(first + SLICE - 1, #mpids)
      for at = first, last do names[#names + 1] = digits_of(mpids[at], 1) end
      collect({}, 1, 0, names, 1, #names)
      taken[#taken + 1] = bucket
      taken[#taken + 1] = table.concat(mpids, '', first, last)
    end
    left = left - #mpids
    if left == 0 then return taken end
  end
  return taken
end

local taken = ask[12] and take(ask[12][1], ask[12][2], ask[12][3])

-- The graves found that a row may still need: it has a journal chunk of their seq or an older one, and
-- could publish a lower version, or it owes the topic that very profile. A case is over once no journal
-- is as old as it, and nothing of its family is owed.
local function needed_documents()
  local graves, needed, others, has_case = {}, {}, {}, false
  for at = 1, #found.documents, 2 do
    local document = found.documents[at + 1]
    local flag = document and string.byte(document, 10)
    if flag == 2 then
      graves[#graves + 1] = {found.documents[at], string.sub(document, 27, 34)}
    else
      others[#others + 1] = found.documents[at]
    end
    has_case = has_case or flag == 3
  end
  if #graves == 0 and not has_case then return needed, '' end
  local oldest, owed = nil, {}
  for _, row in ipairs(redis.call('SMEMBERS', base .. 'l')) do
    local chunk = redis.call('LRANGE', base .. 'j:' .. row, 0, 0)[1]
    local its = chunk and string.match(chunk, '^%d+')
    if its and (not oldest or below(its, oldest)) then oldest = its end
    for _, digits in ipairs(redis.call('SMEMBERS', base .. 'o:' .. row)) do owed[digits] = true end
  end
  local bytes = oldest and bytes_of(oldest)
  for _, grave in ipairs(graves) do
    if owed[grave[1]] or (bytes and not bytes_below(grave[2], bytes)) then needed[#needed + 1] = grave[1] end
  end
  if not has_case then return needed, '' end
  for _, digits in ipairs(others) do
    if owed[digits] then needed[#needed + 1] = digits end
  end
  return needed, oldest or ''
end

local needed, oldest_chunk
if taken then needed, oldest_chunk = needed_documents() end

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

-- Uses of request ids, group by group: a later one sees what an earlier one wrote. Nearly always nobody
-- has used any of a group's. A use counts against another while their times are less than the window
-- apart; only one that is no duplicate is noted.
local duplicates = {}

-- What the buckets of a form say of tokens[1..count]: all uses of a token, and those in its own bucket.
local function uses_of(form, buckets, tokens, count)
  local all, own = {}, {}
  for place, bucket in ipairs(buckets) do
    local key = bucket_of(form, bucket)
    if redis.call('EXISTS', key) == 1 then
      for first = 1, count, CHUNK do
        local values = redis.call('HMGET', key, unpack(tokens, first, math.min(first + CHUNK - 1, count)))
        for at = 1, #values do
          if values[at] then
            local number = first + at - 1
            all[number] = (all[number] or '') .. values[at]
            if place == 1 then own[number] = values[at] end
          end
        end
      end
    end
  end
  return all, own
end

-- The uses in a value, as {time, place, ...}: in the short form 16 bytes each, 7 of them of the time.
local function listed(form, value)
  if form == 'd' then return {cmsgpack.unpack(value)} end
  local uses = {}
  for first = 1, #value, 16 do
    local time = 0
    for at = first, first + 6 do time = time * 256 + string.byte(value, at) end
    uses[#uses + 1] = time
    uses[#uses + 1] = string.sub(value, first + 7, first + 15)
  end
  return uses
end

-- Whether a use is among those before it, and whether another is that counts against it.
local function met(form, window, use, before)
  local this, uses = listed(form, use), listed(form, before)
  local is_mine, is_others = false, false
  for at = 1, #uses, 2 do
    if math.abs(uses[at] - this[1]) < window then
      if uses[at + 1] == this[2] then is_mine = true else is_others = true end
    end
  end
  return is_mine, is_others
end

-- Those of count uses that are to be noted, as {token, uses, ...}; notes the asks that are duplicates.
local function unused(group, before, own, count)
  local noted, pairs_of = {}, group[5]
  for at = 1, count do
    local is_mine, is_others = false, false
    for number, all in ipairs(before) do
      if all[at] then
        local mine, others = met(forms[number], group[1], pairs_of[number][2][2 * at], all[at])
        is_mine, is_others = is_mine or mine, is_others or others
      end
    end
    if is_others and not is_mine then duplicates[#duplicates + 1] = group[4][at] end
    if not (is_mine or is_others) then
      noted[#noted + 1] = pairs_of[1][2][2 * at - 1]
      noted[#noted + 1] = (own[at] or '') .. pairs_of[1][2][2 * at]
    end
  end
  return noted
end

for _, group in ipairs(uses) do
  local buckets, numbers = group[3], group[4]
  local count = #numbers
  while count > 0 and numbers[count] > covered do count = count - 1 end
  local before, own, is_met = {}, nil, false
  for number, pair in ipairs(group[5]) do
    local all, its = uses_of(forms[number], buckets, pair[1], count)
    before[number], own, is_met = all, own or its, is_met or next(all) ~= nil
  end
  local noted, last = group[5][1][2], 2 * count
  if is_met then
    noted = unused(group, before, own, count)
    last = #noted
  end
  local key = bucket_of(form, buckets[1])
  for first = 1, last, CHUNK do
    redis.call('HSET', key, unpack(noted, first, math.min(first + CHUNK - 1, last)))
  end
  if last > 0 then redis.call('PEXPIRE', key, group[2]) end
end
local reply = {
  'ok', seq, covered, found.holders, found.documents, duplicates, owed, newer, told, held[4] or '', rest
}
if taken then reply[12], reply[13], reply[14] = taken, needed, oldest_chunk end
return reply
