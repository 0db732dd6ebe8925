-- Publishes the next epoch: the time in ms, or one more than the last epoch if that is not less. Between two epochs all
-- subscribers of the same channels receive the same messages in the same order.
-- KEYS: last epoch. ARGV: channel.
local time = redis.call('TIME')
local epoch = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if epoch <= last then epoch = last + 1 end
local text = string.format('%.0f', epoch)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[1], text)
return text
