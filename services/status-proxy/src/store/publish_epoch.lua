-- Publishes the next epoch: the time in ms, or one more than the last epoch if that is not less. Between two epochs all
-- subscribers of the same channels receive the same messages in the same order.
-- KEYS: last epoch. ARGV: channel.
local time = redis.call('TIME')
local epoch = time[1] * 1000 + math.floor(time[2] / 1000)
local last = redis.pcall('GET', KEYS[1])
if type(last) == 'table' and not string.find(last.err, 'WRONGTYPE', 1, true) then return last end
last = type(last) == 'string' and tonumber(last) or 0
-- What is no epoch is replaced. Above 2^53 a number is not exact, and one more is the same.
if epoch <= last and last < 2 ^ 53 then epoch = last + 1 end
local text = string.format('%.0f', epoch)
redis.call('SET', KEYS[1], text)
redis.call('PUBLISH', ARGV[1], text)
return text
