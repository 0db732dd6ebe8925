-- Ends a post whose parts are all stored: the same request is another post from now on.
-- KEYS: unfinished posts of the customer   ARGV: id of the post, its number
local posts = read_posts(KEYS[1])
local post = posts and posts[ARGV[1]]
if post and post.number == ARGV[2] then
  posts[ARGV[1]] = nil
  write_posts(KEYS[1], posts)
end
