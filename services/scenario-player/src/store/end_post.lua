-- Ends a post whose parts are all stored: the same request is another post from now on, unless it has a key.
-- KEYS: posts of the customer   ARGV: name of the post, its number, '1' if it has a key
local posts = read_posts(KEYS[1])
local post = posts and posts[ARGV[1]]
if post and post.number == ARGV[2] then
  post.has_ended = true
  if ARGV[3] ~= '1' then posts[ARGV[1]] = nil end
  write_posts(KEYS[1], posts)
end
