-- KEYS: the state of each session
-- Returns the numbers of the sessions of which no job is known.
local found = {}
for i, state in ipairs(KEYS) do
  if known(state) ~= 'known' then found[#found + 1] = i end
end
return found
