-- Begins to play a recording whose messages are all stored, unless it has begun.
-- KEYS: recording, playback, recordings, loops, timeline, meta
-- ARGV: channel of hints, name, digest of the recording, number of its messages, their times as JSON, now (ms), playback,
--       end of the loop's last scheduled iteration (ms) or '', then the arguments of add_events
-- Returns 1, or 0 if its messages are not stored any more.
local channel, name, digest, count, times = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local now_ms, playback, iteration_end = ARGV[6], ARGV[7], ARGV[8]
if redis.call('HGET', KEYS[1], 'digest') ~= digest then return 0 end
if redis.call('GET', KEYS[2]) then return 1 end
-- The digest is a field too.
if redis.call('HLEN', KEYS[1]) ~= count + 1 then return 0 end
redis.call('HINCRBY', KEYS[6], 'changes', 1)
-- If one of them has another type this fails here, before more is written.
for _, key in ipairs({ KEYS[3], KEYS[4], KEYS[5] }) do redis.call('ZCARD', key) end
redis.call('HSET', KEYS[1], 'times', times, 'count', count)
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[2], playback)
redis.call('ZADD', KEYS[3], now_ms, name)
if iteration_end ~= '' then redis.call('ZADD', KEYS[4], iteration_end, name) end
add_events(KEYS[5], 9)
redis.call('PUBLISH', channel, 'reset')
return 1
