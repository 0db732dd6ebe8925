-- KEYS: the state of each session
-- Returns the places, from 0 on, of the sessions of which no job is known.
local found = {}
for i, state in ipairs(KEYS) do
  if known(state) ~= 'known' then found[#found + 1] = i - 1 end
end
return found
