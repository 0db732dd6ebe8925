-- KEYS: 1 jobs, then per game: its state, its players, its settling mark   ARGV: 1-6 suffixes, then per game: its token
-- Creates jobs. Returns per game: 'queued', 'known', 'unknown' or 'unreadable'.
local results = {}
for i = 1, #ARGV - 6 do results[i] = enqueue(KEYS[1], KEYS[3 * i - 1], KEYS[3 * i], KEYS[3 * i + 1], ARGV[i + 6]) end
return results
