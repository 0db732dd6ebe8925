-- KEYS: 1 jobs, then per game: its state, its players, its settling mark   ARGV: per game: its token
-- Answers per game: 'queued', 'known' or 'unknown'.
local answer = {}
for i, token in ipairs(ARGV) do answer[i] = enqueue(KEYS[1], KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1], token) end
return answer
