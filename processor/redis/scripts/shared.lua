-- The beginning of every script.
--
-- KEYS[1]  the control hash of the space. All other keys are computed from it and the generation
--          that it names; they lie in its slot, for they begin with its name and so its hash tag.
-- ARGV[1]  msgpack (see wire.py). ask[1] is the highest seq that the caller has seen.
--
-- MPIDs, versions, epochs, offsets and seq never become Lua numbers, which are exact to 2^53 only:
-- they are digits or bytes here, and compared as such (not by <, which goes by the server's locale).
-- unpack() is kept to CHUNK values.

local CHUNK = 1000
-- Documents that are read before it is looked at how large they were.
local SLICE = 20
local control = KEYS[1]
local ask = cmsgpack.unpack(ARGV[1])
local held = redis.call('HMGET', control, 'gen', 'seq', 'owner', 'tag', 'uses')
local base = control .. ':' .. (held[1] or '1') .. ':'
local seq = held[2] or '0'

-- Whether a comes before b; both have the same length.
local function bytes_below(a, b)
  for at = 1, #a do
    local x, y = string.byte(a, at), string.byte(b, at)
    if x ~= y then return x < y end
  end
  return false
end

-- Whether the decimal number a is below b; both are texts without leading zeros.
local function below(a, b)
  if #a ~= #b then return #a < #b end
  return bytes_below(a, b)
end

-- The 8 bytes of a decimal number.
local function bytes_of(decimal)
  local bytes = {0, 0, 0, 0, 0, 0, 0, 0}
  for digit in string.gmatch(decimal, '%d') do
    local carry = tonumber(digit)
    for at = 8, 1, -1 do
      local value = bytes[at] * 10 + carry
      bytes[at] = value % 256
      carry = math.floor(value / 256)
    end
  end
  return string.char(unpack(bytes))
end

-- Whether uses of request ids are kept in the short form. A space that a release before it began has
-- the long one until it is told otherwise (claim.lua).
local function keeps_short() return held[5] == 'short' or not (held[5] or held[3]) end

-- Why the caller does not own the row, or nil.
local function disowned(row, epoch)
  local stored = redis.call('HGET', base .. 'r:' .. row, 'epoch')
  if not stored or below(stored, epoch) then return 'lost_row' end
  if stored ~= epoch then return 'newer_owner' end
  return nil
end

-- The digits of the MPID whose 8 bytes stand in a text from a place on.
local function digits_of(bytes, at)
  return string.format('%02x%02x%02x%02x%02x%02x%02x%02x', string.byte(bytes, at, at + 7))
end

-- Values of the keys <base><kind><name> for names[from..to], appended to found; false where absent.
local function fetch(kind, names, from, to, found)
  for first = from, to, CHUNK do
    local keys = {}
    for at = first, math.min(first + CHUNK - 1, to) do
      keys[#keys + 1] = base .. kind .. names[at]
    end
    local values = redis.call('MGET', unpack(keys))
    for at = 1, #values do found[#found + 1] = values[at] end
  end
end

-- Writes values {name, value, ...} to the keys <base><kind><name>; '' removes a key.
local function write(kind, values)
  local sets, gone = {}, {}
  local function flush(least)
    if #sets > least then redis.call('MSET', unpack(sets)) sets = {} end
    if #gone > least then redis.call('DEL', unpack(gone)) gone = {} end
  end
  for at = 1, #values, 2 do
    local key = base .. kind .. values[at]
    if values[at + 1] == '' then
      gone[#gone + 1] = key
    else
      sets[#sets + 1] = key
      sets[#sets + 1] = values[at + 1]
    end
    flush(CHUNK - 2)
  end
  flush(0)
end

-- A list of the wheel: who stands in a bucket of a shard.
local function bucket_key(shard, bucket) return base .. 't:' .. shard .. ':' .. bucket end

-- Appends entries {shard, bucket, when it opens, {MPID of 8 bytes...}, ...} to the wheel.
local function enter(entered)
  for at = 1, #entered, 4 do
    local shard, bucket, mpids = entered[at], entered[at + 1], entered[at + 3]
    redis.call('ZADD', base .. 'w:' .. shard, entered[at + 2], bucket)
    for first = 1, #mpids, CHUNK do
      local last = math.min(first + CHUNK - 1, #mpids)
      redis.call('RPUSH', bucket_key(shard, bucket), unpack(mpids, first, last))
    end
  end
end

-- Notes: what the last changes of the space changed. A stream whose ids are the seqs, each with the tag
-- of its writer and the keys that had a value before: their number of MPIDs (4 bytes), these (8 each),
-- then tokens (16 each). A note of more than NOTE_BYTES says only that there was a change.
local MOST_NOTES, NOTE_BYTES = 256, 16384

-- Raises the space's seq by one, and leaves a note of the changed keys.
local function raise(tag, changed)
  redis.call('HINCRBY', control, 'seq', 1)
  seq = redis.call('HGET', control, 'seq')
  redis.call('HSET', control, 'tag', tag)
  if #changed > NOTE_BYTES then changed = '*' end
  -- Notes of a seq to come are those of a space that was deleted.
  local notes = base .. 'n'
  local last = redis.call('XREVRANGE', notes, '+', '-', 'COUNT', 1)[1]
  if last and not below(string.match(last[1], '^%d+'), seq) then redis.call('DEL', notes) end
  redis.call('XADD', notes, 'MAXLEN', '~', MOST_NOTES, seq .. '-0', 't', tag, 'k', changed)
end

-- What a caller is told who knows the space as of a seq and its tag: false where it knows nothing, 1
-- where nothing has changed, else the notes from that seq on; 'lost' where another has written that seq.
local function news(since, tag)
  if since == '' then return false end
  if since == seq then return tag == (held[4] or '') and 1 or 'lost' end
  local notes = redis.call('XRANGE', base .. 'n', since .. '-0', '+', 'COUNT', MOST_NOTES + 2)
  if notes[1] and notes[1][1] == since .. '-0' and notes[1][2][2] ~= tag then return 'lost' end
  return notes
end

-- What was collected: holders in the order asked for, documents as digits, document, digits, ...
local found = {holders = {}, documents = {}, keys = 0, bytes = 0}
local is_wanted = {}

-- Collects the holders of tokens[t1..t2], their documents, those of mpids[m1..m2], and, as merge
-- pointers say, the survivors; every key once.
local function collect(tokens, t1, t2, mpids, m1, m2)
  local wanted = {}
  local function want(digits)
    if not is_wanted[digits] then
      is_wanted[digits] = true
      wanted[#wanted + 1] = digits
    end
  end
  local before = #found.holders
  fetch('i:', tokens, t1, t2, found.holders)
  for at = before + 1, #found.holders do
    local holders = found.holders[at]
    if holders then
      found.bytes = found.bytes + #holders
      -- Markers follow them: '!' and 24 digits each.
      local last = (string.find(holders, '!', 1, true) or #holders + 1) - 1
      for digit = 1, last, 16 do want(string.sub(holders, digit, digit + 15)) end
    end
  end
  found.keys = found.keys + #found.holders - before
  for at = m1, m2 do want(mpids[at]) end
  while #wanted > 0 do
    local names, documents = wanted, {}
    wanted = {}
    fetch('p:', names, 1, #names, documents)
    found.keys = found.keys + #names
    for at = 1, #names do
      local document = documents[at]
      found.documents[#found.documents + 1] = names[at]
      found.documents[#found.documents + 1] = document
      if document then
        found.bytes = found.bytes + #document
        -- The header of a document: 1 byte format, 8 version, 1 flag (0 live, 1 merged, 2 a grave, 3 a case),
        -- 8 merged_into.
        if string.byte(document, 10) == 1 then
          want(digits_of(document, 11))
        end
      end
    end
  end
end

-- Whether this generation is still the one that is built, with all that was written into it. A server
-- that loses writes loses the latest: it has counted fewer of them then.
local function is_building(generation, written)
  local now = redis.call('HMGET', control, 'building', 'written')
  return now[1] == generation and now[2] == written
end

if below(seq, ask[1]) then return {'lost_space'} end
