-- Applies one dead letter and removes it, or does neither.
-- KEYS: 1 set of ids, '' for none   2 dead letters   ARGV: 1-4 message.lua   5 the entry's id   6 a batch of this one message
-- Returns 'applied', 'missing', or the error of the command that Redis refused.
if #redis.call('XRANGE', KEYS[2], ARGV[5], ARGV[5]) == 0 then return 'missing' end
local ids, items = unpack(cmsgpack.unpack(ARGV[6]))
local err = (#ids > 0 and KEYS[1] ~= '' and error_of(call('SADD', KEYS[1], unpack(ids)))) or apply_message(items, 1, KEYS[1])
if err then return err end
redis.call('XDEL', KEYS[2], ARGV[5])
return 'applied'
