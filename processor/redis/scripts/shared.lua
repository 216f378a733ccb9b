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
local control = KEYS[1]
local ask = cmsgpack.unpack(ARGV[1])
local held = redis.call('HMGET', control, 'gen', 'seq', 'owner')
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

-- Why the caller does not own the row, or nil.
local function disowned(row, epoch)
  local stored = redis.call('HGET', base .. 'r:' .. row, 'epoch')
  if not stored or below(stored, epoch) then return 'lost_row' end
  if stored ~= epoch then return 'newer_owner' end
  return nil
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
      for digit = 1, #holders, 16 do want(string.sub(holders, digit, digit + 15)) end
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
        -- The header of a document: 1 byte format, 8 version, 1 merged flag, 8 merged_into.
        if string.byte(document, 10) ~= 0 then
          want(string.format('%02x%02x%02x%02x%02x%02x%02x%02x', string.byte(document, 11, 18)))
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
