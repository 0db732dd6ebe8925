-- Applies one dead letter and removes it, or does neither.
-- KEYS: 1 set of ids, '' for none   2 dead letters   ARGV: 1-7 message.lua   8 the entry's id   9 a batch of this one message
-- Returns {'applied'} | {'missing'} | {'refused', error, the key if it is not the message's own}.
if #redis.call('XRANGE', KEYS[2], ARGV[8], ARGV[8]) == 0 then return { 'missing' } end
-- Removes nothing. If Redis would refuse the removal at the end, it refuses it here, before anything is applied.
redis.call('XDEL', KEYS[2], '0-0')
local ids, items = unpack(cmsgpack.unpack(ARGV[9]))
local err, err_key = #ids > 0 and KEYS[1] ~= '' and error_of(call('SADD', KEYS[1], unpack(ids))), KEYS[1]
local index = 1
while not err and index <= #items do
  err, err_key = apply_message(items, index, KEYS[1])
  index = last_index(items, index) + 1
end
if err then return { 'refused', err, err_key or '' } end
redis.call('XDEL', KEYS[2], ARGV[8])
return { 'applied' }
