-- Begins a post, or takes up one that stopped half-way.
-- KEYS: meta, posts of the customer, scenario
-- ARGV: name, digest of the request, time of the post (µs), '1' if its steps replace the stored ones
-- Returns: number of the post; its time (µs); index of its first step. Or nothing, while another attempt is under way. Or -1, if
-- another request has had this name.
local name, request, time_us, replaces, now_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1', time_ms()
local posts = read_posts(KEYS[2]) or {}
for other, post in pairs(posts) do
  if post.busy_until_ms + POSTS_TTL_MS < now_ms then posts[other] = nil end
end
local post = posts[name]
if not post then
  local first_index = replaces and 0 or redis.call('LLEN', KEYS[3])
  -- It wraps around as in `next_post`.
  local number = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 'posts', 1) % 4294967295 + 1)
  post = { request = request, number = number, time_us = time_us, first_index = first_index, parts = 0 }
  posts[name] = post
elseif post.request ~= request then
  return { -1 }
elseif post.busy_until_ms > now_ms and not post.has_ended then
  return {}
end
post.busy_until_ms = now_ms + ATTEMPT_MS
write_posts(KEYS[2], posts)
return { tonumber(post.number), post.time_us, post.first_index }
