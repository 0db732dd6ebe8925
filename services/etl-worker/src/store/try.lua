-- Runs a command. If its key has another type, the error is returned: that is the fault of one game, and costs only that
-- game. Every other error is a condition of Redis (no permission, no memory, a replica), and ends the script.
local function failed(reply)
  return type(reply) == 'table' and reply.err
end
local function try(...)
  local reply = redis.pcall(...)
  if failed(reply) and not string.find(reply.err, 'WRONGTYPE', 1, true) then return redis.call(...) end
  return reply
end
