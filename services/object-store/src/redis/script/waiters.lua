
-- Requests that wait for objects to be created.

local is_waited, flag_is_set
local function something_waits()
  if is_waited == nil then is_waited = call('EXISTS', waited_flag) == 1 end
  return is_waited
end

-- In place of the id that a duplicate creates: it is in another partition, to which its node copies the content.
local COPY = '*'

-- Adds a request of this node that waits for an id. `duplicate` is the id that a duplicate creates, COPY, or empty.
local function add_waiter(id, ticket, duplicate)
  local key = waiters_key .. id
  call_own('ZADD', key, 'NX', add('waits', '1'), node .. ':' .. ticket .. ':' .. duplicate)
  call('EXPIRE', key, WAITERS_TTL)
  if not flag_is_set then call('SET', waited_flag, '1', 'EX', WAITED_TTL) end
  flag_is_set, is_waited = true, true
  return 'absent'
end

local alive_nodes
local function is_alive(other)
  if alive_nodes[other] == nil then alive_nodes[other] = call('EXISTS', alive_key .. other) == 1 end
  return alive_nodes[other]
end

-- Moves the requests that wait for an id to the stack, the oldest on top.
local function push_waiters(stack, id)
  local key = waiters_key .. id
  local waiters = call_own('ZREVRANGE', key, '0', '-1')
  if #waiters > 0 then call('UNLINK', key) end
  for _, waiter in ipairs(waiters) do stack[#stack + 1] = waiter end
end

-- Sends the tickets to another node, with the object that they waited for.
local function notify(other, tickets, record, content)
  local key, notification = notifications_key .. other, add('mails', '1')
  -- The number makes every notification a different member of the set.
  local head = string.format('%d:%d:%d:', notification, #tickets, #record)
  call_own('ZADD', key, notification, head .. tickets .. record .. content)
  call('EXPIRE', key, NOTIFICATIONS_TTL)
  -- Nothing relies on the message. A user who may not publish only makes the other node wait longer.
  try('PUBLISH', node_channel .. other, object_key)
end

-- Notifies the other nodes of their requests that are done, with the object or with what became of it. Returns the tickets of
-- those of this node, separated by commas.
local function notify_all(woken, record, content)
  local own = table.concat(woken[node] or {}, ',')
  woken[node] = nil
  for other, tickets in pairs(woken) do notify(other, table.concat(tickets, ','), record, content) end
  return own
end

-- Takes the requests that wait for an id, those that wait for their duplicates in turn, and so on. `settle` is called for each
-- duplicate, right after its original, with its id or COPY and with the request ("node:ticket:"), and says whether the requests
-- that wait for that one go on too. Returns the tickets of each node.
local function take_waiters(id, settle)
  local stack, woken = {}, {}
  push_waiters(stack, id)
  while #stack > 0 do
    local other, ticket, duplicate = string.match(table.remove(stack), '^(%x+):(%d+):([%x*]*)$')
    -- Who is no waiter matches nothing.
    if other and is_alive(other) then
      woken[other] = woken[other] or {}
      table.insert(woken[other], ticket)
      if duplicate ~= '' and settle(duplicate, other .. ':' .. ticket .. ':') then push_waiters(stack, duplicate) end
    end
  end
  return woken
end

local function mark_refused(id)
  call('SET', refused_key .. id, '1', 'EX', REFUSED_TTL)
end

-- The set of an id was refused: unless the id exists, whoever waits for it, or asks for it in the next minutes, is told so. So
-- is who waits for its duplicates. Returns the tickets of those of this node.
local function refuse(id)
  if lookup(id) then return '' end
  call('SET', refused_flag, '1', 'EX', REFUSED_FLAG_TTL)
  may_be_refused = true
  mark_refused(id)
  if not something_waits() then return '' end
  local woken = take_waiters(id, function(duplicate)
    if duplicate == COPY or lookup(duplicate) then return false end
    mark_refused(duplicate)
    return true
  end)
  return notify_all(woken, 'refused', '')
end

-- The content of an id is missing, for example because Redis evicted it: the id goes too.
local function lose(id, record)
  call('UNLINK', object_key .. id)
  release(record)
  refuse(id)
end

-- Like `set_record`, and executes the duplicates that wait for the id, and those that wait for them in turn. Notifies other nodes
-- of their requests that are done. Returns the tickets of those of this node, separated by commas.
local function set_and_wake(id, record)
  set_record(id, record)
  if not something_waits() then return '' end
  local woken = take_waiters(id, function(duplicate, request)
    if duplicate == COPY then
      hold(record, request)
      return false
    end
    -- The id that they wait for has the content, so it is there.
    incr_ref(hash_of(record), head_of(record))
    set_record(duplicate, record)
    return true
  end)
  -- Only other nodes need the content.
  local content = ''
  for other in pairs(woken) do
    if other ~= node then content = reply_object('object', record)[3] or '' end
  end
  return notify_all(woken, record, content)
end

-- Like `set_and_wake`; returns the reply of an operation.
local function store(id, record)
  local tickets = set_and_wake(id, record)
  return tickets == '' and 'ok' or { 'ok', tickets }
end
