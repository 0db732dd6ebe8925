-- KEYS: 1 jobs, then per session as in records.lua   ARGV: 1 R, then per session as in records.lua
-- Creates jobs. Returns per session: 'queued', 'known', 'unknown' or 'unreadable'.
local results = {}
for i = 1, (#ARGV - 1) / 3 do
  local state, settling, members, records, token, prefix, suffix = session(i, 1, 1)
  results[i] = enqueue(KEYS[1], state, settling, members, records, token, prefix, suffix)
end
return results
