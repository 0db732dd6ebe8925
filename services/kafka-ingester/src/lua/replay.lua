-- Applies one dead letter and removes it, or neither.
-- KEYS: 1 ids, '' for none   2 dead letters   ARGV: 1-4 message.lua   5 the entry   6 a batch of the one message
-- Returns 'applied', 'gone', or what Redis refused.
if #redis.call('XRANGE', KEYS[2], ARGV[5], ARGV[5]) == 0 then return 'gone' end
local ids, items = unpack(cmsgpack.unpack(ARGV[6]))
local wrong = (#ids > 0 and KEYS[1] ~= '' and refusal(send('SADD', KEYS[1], unpack(ids)))) or act(items, 1, KEYS[1])
if wrong then return wrong end
redis.call('XDEL', KEYS[2], ARGV[5])
return 'applied'
