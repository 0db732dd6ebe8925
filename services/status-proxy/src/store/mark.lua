-- Publishes the next mark: the time in ms, or more if that was published already. Between two marks every subscriber of
-- the same channels hears the same messages in the same order.
-- KEYS: mark. ARGV: channel.
local time = redis.call('TIME')
local mark = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if mark <= last then mark = last + 1 end
local text = string.format('%.0f', mark)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[1], text)
return text
