-- Returns values of a generation that is being built.
--
-- KEYS[1]  the control hash of the space
-- ARGV[1]  msgpack: {seq, generation, names {kind:name...}}
-- Returns  {'ok', {value or nil...}}
--
-- It writes nothing.

base = control .. ':' .. ask[2] .. ':'
local values = {}
fetch('', ask[3], 1, #ask[3], values)
return {'ok', values}
