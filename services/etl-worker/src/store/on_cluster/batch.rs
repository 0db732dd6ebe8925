use fred::clients::Client;
use fred::error::ErrorKind;
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand, Value};
use futures_util::future::join_all;
use redis_core::{ErrorClass, Redis, RedisError, Shard};

/// Commands on one key each, which are sent together. All can be repeated.
#[derive(Default)]
pub(super) struct Batch(Vec<Command>);

struct Command {
    name: &'static str,
    /// The key comes first.
    args: Vec<String>,
}

/// What a command came to.
pub(super) type Reply = Result<Value, RedisError>;

/// Sends the commands for each of the items, in one round trip to each shard, and returns the replies for each of them. Commands
/// to a shard that is away fail at once: they would hold the others up.
pub(super) async fn send_for_each<T>(
    redis: &Redis,
    items: &[T],
    add_commands: impl Fn(&T, &mut Batch),
) -> Vec<Vec<Reply>> {
    let mut batch = Batch::default();
    let ends: Vec<usize> = items
        .iter()
        .map(|item| {
            add_commands(item, &mut batch);
            batch.0.len()
        })
        .collect();
    let mut replies = batch.send(redis).await.into_iter();
    let mut begin = 0;
    let take = |end| {
        let own = replies.by_ref().take(end - begin).collect();
        begin = end;
        own
    };
    ends.into_iter().map(take).collect()
}

impl Batch {
    pub(super) fn add<'a>(
        &mut self,
        name: &'static str,
        key: &'a str,
        args: impl IntoIterator<Item = &'a str>,
    ) {
        let args = [key].into_iter().chain(args).map(str::to_owned).collect();
        self.0.push(Command { name, args });
    }

    async fn send(self, redis: &Redis) -> Vec<Reply> {
        let mut by_shard: Vec<(Shard, Vec<usize>)> = Vec::new();
        for (place, command) in self.0.iter().enumerate() {
            let shard = redis.shard_of(command.key());
            let Some(shard) = shard.filter(|shard| shard.state().borrow().is_ok()) else { continue };
            match by_shard.iter_mut().find(|(known, _)| *known == shard) {
                Some((_, places)) => places.push(place),
                None => by_shard.push((shard, vec![place])),
            }
        }
        let commands = &self.0;
        let sent = by_shard.into_iter().map(|(shard, places)| async move {
            let replies = send_to(&shard, places.iter().map(|place| &commands[*place])).await;
            places.into_iter().zip(replies).collect::<Vec<_>>()
        });
        let away = || Err(RedisError::new(ErrorKind::IO, "the shard of the key is away"));
        let mut replies: Vec<Reply> = commands.iter().map(|_| away()).collect();
        for (place, reply) in join_all(sent).await.into_iter().flatten() {
            replies[place] = match reply {
                // The slot has moved, or is just being moved.
                Err(error) if ErrorClass::of(&error) == ErrorClass::Cluster => {
                    commands[place].follow(redis).await
                }
                reply => reply,
            };
        }
        replies
    }
}

impl Command {
    fn key(&self) -> &str {
        self.args.first().map_or("", String::as_str)
    }

    fn custom(&self) -> CustomCommand {
        CustomCommand::new_static(self.name, ClusterHash::FirstKey, false)
    }

    /// Sends it alone, from node to node.
    async fn follow(&self, redis: &Redis) -> Reply {
        let send = |client: Client| async move { client.custom(self.custom(), self.args.clone()).await };
        redis.run(self.key(), send).await
    }
}

async fn send_to(shard: &Shard, commands: impl ExactSizeIterator<Item = &Command>) -> Vec<Reply> {
    let (pipeline, count) = (shard.client().pipeline(), commands.len());
    for command in commands {
        // It is not sent here, so it cannot fail.
        let _: Result<(), RedisError> = pipeline.custom(command.custom(), command.args.clone()).await;
    }
    let mut replies = pipeline.try_all().await;
    // If the connection is lost, fred has one error for all.
    if let Some(Err(error)) = replies.last().cloned() {
        replies.resize(count, Err(error));
    }
    replies
}

/// Whether Redis has carried the commands out, or will never, because a key has another type.
pub(super) fn are_over(replies: &[Reply]) -> bool {
    let is_over = |error: &RedisError| ErrorClass::of(error).is_invalid();
    replies.iter().all(|reply| reply.as_ref().err().is_none_or(is_over))
}
