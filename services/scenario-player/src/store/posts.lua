-- Included before the scripts that handle posts. The unfinished ones of a customer, and those with a key, are kept as JSON:
-- the name of a post → its request, number, time, parts that are stored, and until when its attempt keeps others away.
local POSTS_TTL_MS, ATTEMPT_MS, END_TTL_MS = 600000, 5000, 10000

local function read_posts(key)
  local is_json, posts = pcall(cjson.decode, redis.call('GET', key) or '')
  return is_json and type(posts) == 'table' and posts or nil
end

local function write_posts(key, posts)
  -- An empty record says that a post that is missing has ended, to an attempt that was late.
  redis.call('SET', key, cjson.encode(posts), 'PX', next(posts) and POSTS_TTL_MS or END_TTL_MS)
end

local function time_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
