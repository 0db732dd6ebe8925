-- KEYS: 1 jobs, then per session as in records.lua   ARGV: 1 R, 2 settle time (ms), 3 the number N of sessions, then per
-- session as in records.lua, then N numbers of entries
-- Creates jobs for those of the sessions, which ended, whose entries have not become more for the settle time.
-- Returns the places, from 0 on, of those that got one, and the tokens of the sessions whose state is unreadable.
local queued, unreadable, count = {}, {}, tonumber(ARGV[3])
for i = 1, count do
  local state, settling, members, records, token, prefix, suffix = session(i, 1, 3)
  local is_known = known(state)
  if is_known == 'unreadable' then
    unreadable[#unreadable + 1] = token
  elseif not is_known and has_settled(settling, ARGV[3 + 3 * count + i])
    and enqueue(KEYS[1], state, settling, members, records, token, prefix, suffix) == 'queued' then
    queued[#queued + 1] = i - 1
  end
end
return { queued, unreadable }
