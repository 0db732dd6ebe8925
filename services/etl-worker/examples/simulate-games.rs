//! Plays games into Redis as the simulator does, with its keys and messages, and prints the tables that etl-worker must
//! write: a JSON line per player with the columns of both tables. The same seed plays the same games.
//!
//! `cargo run -p etl-worker --example simulate-games -- --games 10 --worker-channel CLEAN`

use std::io::{BufWriter, Write, stdout};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::{ClusterHash, CustomCommand};
use futures_util::future::try_join_all;
use redis_core::id::{GameToken, UserToken};
use redis_core::{Key, Layout, Redis, RedisConfig, RedisError};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
#[command(about = "Plays games into Redis and prints the expected tables as JSON lines")]
struct Args {
    #[command(flatten)]
    redis: RedisConfig,
    /// Channel to publish on
    #[arg(long, env = "WORKER_CHANNEL", default_value = "CLEAN")]
    worker_channel: String,
    /// Number of games
    #[arg(long, default_value_t = 10)]
    games: u32,
    /// Players per game, 1 to 255
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    players: u8,
    /// Games per second; 0 plays as fast as Redis takes them
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often to send the message of each player; 0 sends none
    #[arg(long, default_value_t = 1)]
    copies: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let redis = Redis::connected(&args.redis).await?;
    let (mut out, start) = (BufWriter::new(stdout().lock()), Instant::now());
    for number in 0..args.games {
        if args.rate > 0 {
            sleep_until(start + Duration::from_secs_f64(f64::from(number) / f64::from(args.rate))).await;
        }
        let random = Random(args.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number)));
        let game = Game::play(random, args.players);
        game.write(&redis, &args.worker_channel, args.copies).await.context("write a game to redis")?;
        game.print(&mut out)?;
    }
    out.flush().context("print the expected tables")
}

struct Game {
    token: GameToken,
    players: Vec<Player>,
    /// The log entries in order. The last `late` of them are written after the status `Completed`.
    log: Vec<String>,
    late: usize,
    completed: bool,
}

struct Player {
    token: UserToken,
    superhero_id: u16,
    attack: u64,
    health: u64,
    rounds: u16,
    sent: u64,
    received: u64,
    rank: usize,
}

impl Game {
    /// Most games are played until one player is left. Some are cut short, and some never leave the lobby.
    fn play(mut random: Random, count: u8) -> Self {
        let token = GameToken::parse(random.uuid()).expect("a UUID is a valid token");
        let players = (0..count).map(|_| Player {
            token: UserToken::parse(random.uuid()).expect("a UUID is a valid token"),
            superhero_id: random.below(731) as u16 + 1,
            attack: random.below(1_900) + 100,
            health: random.below(50) * 100 + 3_000,
            rounds: 0,
            sent: 0,
            received: 0,
            rank: 0,
        });
        let mut game = Self { token, players: players.collect(), log: Vec::new(), late: 0, completed: true };
        let mut fallen: Vec<usize> = Vec::new();
        let turns = match random.below(20) {
            0 => 0,
            1 => random.below(20),
            _ => u64::MAX,
        };
        let alone = game.players.len() == 1;
        let mut turn = 0;
        while turn < turns && !alone && fallen.len() + 1 < game.players.len() {
            let from = (turn % u64::from(count)) as usize;
            turn += 1;
            if game.players[from].health > 0 {
                game.attack(from, &mut random, &mut fallen);
            }
        }
        game.completed = turns > 0;
        if game.completed && !alone && turns == u64::MAX {
            // The survivor goes on attacking the fallen until the message comes.
            game.late = random.below(3) as usize;
            let survivor =
                game.players.iter().position(|player| player.health > 0).expect("one player is left");
            (0..game.late).for_each(|_| game.attack(survivor, &mut random, &mut fallen));
        }
        game.rank(&fallen);
        game
    }

    fn attack(&mut self, from: usize, random: &mut Random, fallen: &mut Vec<usize>) {
        let others = self.players.len() as u64 - 1;
        let to = (from + 1 + random.below(others) as usize) % self.players.len();
        let damage = self.players[from].attack + random.below(100);
        let (prior, post) = (self.players[to].health, self.players[to].health.saturating_sub(damage));
        self.players[to].health = post;
        if prior > 0 && post == 0 {
            fallen.push(to);
        }
        self.players[to].received += damage;
        self.players[from].sent += damage;
        self.players[from].rounds += 1;
        let second = self.log.len();
        self.log.push(
            json!({
                "TIMESTAMP": format!("2022-10-01T12:{:02}:{:02}Z", second / 60 % 60, second % 60),
                "PAYLOAD": {"GAME_TOKEN": self.token.as_str(), "USER_TOKEN": self.players[from].token.as_str()},
                "STATUS": {"ACTION": "ATTACK", "DETAILS": {
                    "ENEMY_TOKEN": self.players[to].token.as_str(),
                    "ENEMY_DAMAGE": damage,
                    "ENEMY_HEALTH_PRIOR": prior,
                    "ENEMY_HEALTH_POST": post,
                }},
            })
            .to_string(),
        );
    }

    fn rank(&mut self, fallen: &[usize]) {
        for (index, player) in fallen.iter().rev().enumerate() {
            self.players[*player].rank = self.players.len() - fallen.len() + index + 1;
        }
        let healths: Vec<u64> =
            self.players.iter().map(|player| player.health).filter(|health| *health > 0).collect();
        for player in self.players.iter_mut().filter(|player| player.health > 0) {
            player.rank = healths.iter().filter(|health| **health > player.health).count() + 1;
        }
    }

    /// Writes what the game server writes: the records, then the status, then a message for each player.
    async fn write(&self, redis: &Redis, channel: &str, copies: u32) -> Result<(), RedisError> {
        let (in_time, late) = self.log.split_at(self.log.len() - self.late);
        let status = if self.completed { "Completed" } else { "Lobby" };
        let status = Command::new("SET", Key::GameStatus(&self.token), [status]);
        let steps = [
            [self.records(), self.push_log(in_time)].concat(),
            vec![status],
            self.push_log(late),
            self.messages(channel, copies),
        ];
        if redis.layout() == Layout::One {
            let all = steps.concat();
            return redis.run(Key::GamesParticipants.to_string(), |client| pipeline(client, &all)).await;
        }
        for step in steps {
            try_join_all(step.iter().map(|command| command.send(redis))).await?;
        }
        Ok(())
    }

    fn records(&self) -> Vec<Command> {
        let (game, count) = (&self.token, self.players.len().to_string());
        let of_player = |player: &Player| {
            let token = player.token.as_str();
            let [id, attack, health] = [u64::from(player.superhero_id), player.attack, player.health]
                .map(|number| number.to_string());
            let hash = ["id", &id, "attack", &attack, "health", &health];
            [
                Command::new("SADD", Key::Game(game), [token]),
                Command::new("HSET", Key::GameSuperhero(game, &player.token), hash),
                Command::new("SADD", Key::GameSuperheros(game), [id.as_str()]),
                Command::new("RPUSH", Key::GameOrder(game), [token]),
            ]
        };
        let players = u32::try_from(self.players.len()).unwrap_or(u32::MAX);
        let of_game = [
            Command::new("SET", Key::GameParticipants(game), [count.as_str()]),
            Command::new("SET", Key::GameHost(game), [self.players[0].token.as_str()]),
            Command::new("ZADD", Key::GamesParticipants, [count.as_str(), game.as_str()]),
            Command::new("RPUSH", Key::GamesOfPlayers(players), [game.as_str()]),
        ];
        self.players.iter().flat_map(of_player).chain(of_game).collect()
    }

    fn push_log(&self, log: &[String]) -> Vec<Command> {
        let push = || Command::new("RPUSH", Key::GameLogs(&self.token), log.iter().map(String::as_str));
        if log.is_empty() { Vec::new() } else { vec![push()] }
    }

    fn messages(&self, channel: &str, copies: u32) -> Vec<Command> {
        let of_player = |player: &Player| {
            let message = json!({
                "level": "INFO",
                "timestamp": "2022-10-01T12:00:00.123456",
                "name": "redis.lib.server.lobby",
                "log_message": "Cleaning Game Records",
                "task": {"game_token": self.token.as_str(), "user_token": player.token.as_str()},
            });
            // The game server encodes its messages twice.
            let text = json!(message.to_string()).to_string();
            Command { name: "PUBLISH", args: vec![channel.to_owned(), text] }
        };
        self.players.iter().cycle().take(self.players.len() * copies as usize).map(of_player).collect()
    }

    fn print(&self, out: &mut impl Write) -> anyhow::Result<()> {
        for player in &self.players {
            let row = json!({
                "game_token": self.token.as_str(),
                "user_token": player.token.as_str(),
                "superhero_id": player.superhero_id,
                "rank": player.rank,
                "rounds": player.rounds,
                "damage_received": player.received,
                "damage_sent": player.sent,
            });
            writeln!(out, "{row}")?;
        }
        Ok(())
    }
}

/// A command, whose first argument is the key or the channel.
#[derive(Clone)]
struct Command {
    name: &'static str,
    args: Vec<String>,
}

impl Command {
    fn new<'a>(name: &'static str, key: Key<'_>, args: impl IntoIterator<Item = &'a str>) -> Self {
        // The game server's keys have the same names everywhere.
        let args = [key.to_string()].into_iter().chain(args.into_iter().map(str::to_owned)).collect();
        Self { name, args }
    }

    async fn send(&self, redis: &Redis) -> Result<(), RedisError> {
        let send = |client: Client| async move { client.custom(self.custom(), self.args.clone()).await };
        redis.run(&self.args[0], send).await
    }

    fn custom(&self) -> CustomCommand {
        CustomCommand::new_static(self.name, ClusterHash::FirstKey, false)
    }
}

async fn pipeline(client: Client, commands: &[Command]) -> Result<(), RedisError> {
    let pipeline = client.pipeline();
    for command in commands {
        pipeline.custom::<(), _>(command.custom(), command.args.clone()).await?;
    }
    pipeline.all().await
}

/// Random numbers by SplitMix64, which gives the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let version = (high & 0x0fff) | 0x4000;
        let variant = (low >> 48) & 0x3fff | 0x8000;
        format!(
            "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            low & 0xffff_ffff_ffff
        )
    }
}
