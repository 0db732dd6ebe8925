-- KEYS: 1 jobs   ARGV: 1 group, 2 consumer, then entries
-- Renews the lease of the jobs that are still ours. Answers 1 or 0 per entry.
local answer = {}
for i = 3, #ARGV do
  local held = ours(KEYS[1], ARGV[1], ARGV[2], ARGV[i])
  if held then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID') end
  answer[i - 2] = held and 1 or 0
end
return answer
