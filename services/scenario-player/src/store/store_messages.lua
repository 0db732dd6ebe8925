-- Stores some messages of a recording, unless it has begun.
-- KEYS: recording, playback
-- ARGV: digest of the recording, how long it is kept until it begins (ms), index of the first message, messages...
-- Returns 1; 0 if it has begun, so that all of it is stored; -1 if another recording has its name.
local digest, ttl_ms, first = ARGV[1], ARGV[2], tonumber(ARGV[3])
local stored, has_begun = redis.call('HGET', KEYS[1], 'digest'), redis.call('GET', KEYS[2])
if stored and stored ~= digest then
  -- What another one has left that failed half-way makes room for the first part of this one.
  if has_begun or first > 0 then return -1 end
  redis.call('DEL', KEYS[1])
elseif has_begun then
  -- Written in any case: then replicas that have this have all that earlier attempts wrote.
  redis.call('SET', KEYS[2], has_begun)
  return 0
end
redis.call('HSET', KEYS[1], 'digest', digest)
for i = 4, #ARGV do redis.call('HSET', KEYS[1], string.format('%.0f', first + i - 4), ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ttl_ms)
return 1
