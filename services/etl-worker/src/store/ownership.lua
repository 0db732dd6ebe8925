-- A consumer owns a job while the job's stream entry is pending to it. Every script that changes a job checks that first:
-- a worker that lost its job to another one can no longer change anything. A job that is over is deleted first and
-- acknowledged then: an entry that nobody owns would stay for ever.
local function owns(jobs, group, consumer, entry_id)
  local pending = redis.call('XPENDING', jobs, group, entry_id, entry_id, 1)
  return pending[1] ~= nil and pending[1][2] == consumer
end
