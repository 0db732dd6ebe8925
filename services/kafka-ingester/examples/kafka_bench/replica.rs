//! What it costs to wait until a replica has each batch.

use std::time::Duration;

use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{Builder, CustomCommand, InfoKind};

use crate::throughput::measure_ingesters;
use crate::world::{World, env_var, message};
use crate::{better, print_rate};

/// Makes the Redis of `REPLICA_PORT` a replica, and measures one instance without and with waiting for it. In turns, and
/// the best of three: both have the replica beside them.
pub(crate) async fn measure(world: &mut World, total: usize) {
    attach(world).await;
    let (mut without, mut with) = ((0.0, 0.0), (0.0, 0.0));
    for _ in 0..3 {
        world.wait_replicas = "0";
        without = better(without, measure_ingesters(world, 1, total, message).await);
        world.wait_replicas = "1";
        with = better(with, measure_ingesters(world, 1, total, message).await);
    }
    print_rate("one instance, a replica beside the primary", without.0, "");
    let share = 100.0 * with.0 / without.0;
    print_rate("  with REDIS_WAIT_REPLICAS=1", with.0, &format!("{share:.0} % of without"));
}

async fn attach(world: &World) {
    let config =
        Config::from_url(&format!("redis://127.0.0.1:{}", env_var("REPLICA_PORT").unwrap())).unwrap();
    let replica = Builder::from_config(config).build().unwrap();
    replica.init().await.unwrap();
    let command = CustomCommand::new("REPLICAOF", None::<u16>, false);
    let _: () = replica.custom(command, vec!["127.0.0.1", &world.redis_port]).await.unwrap();
    while !world.redis.info::<String>(Some(InfoKind::Replication)).await.unwrap().contains("state=online") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
