//! Plays whole games into Redis in the simulator's layout, with its messages, and prints the true tables: a JSON line per
//! player with the columns of both. The same seed plays the same games.
//!
//! `cargo run -p etl-worker --example simulate-games -- --games 10 --worker-channel CLEAN`

use std::io::{BufWriter, Write, stdout};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use fred::clients::{Client, Pipeline};
use fred::interfaces::{
    HashesInterface, KeysInterface, ListInterface, PubsubInterface, SetsInterface, SortedSetsInterface,
};
use redis_core::id::{GameToken, UserToken};
use redis_core::{Key, RedisConfig, connect};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

#[derive(Parser)]
#[command(about = "Plays whole games into Redis and prints the true tables as JSON lines")]
struct Args {
    #[command(flatten)]
    redis: RedisConfig,
    /// Channel to publish on
    #[arg(long, env = "WORKER_CHANNEL", default_value = "CLEAN")]
    worker_channel: String,
    /// Games to play
    #[arg(long, default_value_t = 10)]
    games: u32,
    /// Players of each, 1 to 255
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..))]
    players: u8,
    /// Games a second; 0 is as fast as they can be written
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// What the games depend on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often each player's message is sent; 0 loses them all
    #[arg(long, default_value_t = 1)]
    copies: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let redis = connect::connected_pool(&args.redis).await?;
    let (mut out, start) = (BufWriter::new(stdout().lock()), Instant::now());
    for number in 0..args.games {
        if args.rate > 0 {
            sleep_until(start + Duration::from_secs_f64(f64::from(number) / f64::from(args.rate))).await;
        }
        let dice = Dice(args.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number)));
        let game = Game::play(dice, args.players);
        game.write(redis.next(), &args.worker_channel, args.copies).await.context("write a game to redis")?;
        game.print(&mut out)?;
    }
    out.flush().context("print the true tables")
}

struct Game {
    token: GameToken,
    players: Vec<Player>,
    /// In order; the last `late` of them came after the game was completed.
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
    /// Most games are fought to the end; some are cut short, and some never leave the lobby.
    fn play(mut dice: Dice, count: u8) -> Self {
        let token = GameToken::parse(dice.uuid()).expect("a uuid is plain");
        let players = (0..count).map(|_| Player {
            token: UserToken::parse(dice.uuid()).expect("a uuid is plain"),
            superhero_id: dice.below(731) as u16 + 1,
            attack: dice.below(1_900) + 100,
            health: dice.below(50) * 100 + 3_000,
            rounds: 0,
            sent: 0,
            received: 0,
            rank: 0,
        });
        let mut game = Self { token, players: players.collect(), log: Vec::new(), late: 0, completed: true };
        let mut fallen: Vec<usize> = Vec::new();
        let turns = match dice.below(20) {
            0 => 0,
            1 => dice.below(20),
            _ => u64::MAX,
        };
        let alone = game.players.len() == 1;
        let mut turn = 0;
        while turn < turns && !alone && fallen.len() + 1 < game.players.len() {
            let from = (turn % u64::from(count)) as usize;
            turn += 1;
            if game.players[from].health > 0 {
                game.attack(from, &mut dice, &mut fallen);
            }
        }
        game.completed = turns > 0;
        if game.completed && !alone && turns == u64::MAX {
            // Nobody has stopped the survivor, who hits the fallen.
            game.late = dice.below(3) as usize;
            let survivor = game.players.iter().position(|player| player.health > 0).expect("somebody stands");
            (0..game.late).for_each(|_| game.attack(survivor, &mut dice, &mut fallen));
        }
        game.rank(&fallen);
        game
    }

    fn attack(&mut self, from: usize, dice: &mut Dice, fallen: &mut Vec<usize>) {
        let others = self.players.len() as u64 - 1;
        let to = (from + 1 + dice.below(others) as usize) % self.players.len();
        let damage = self.players[from].attack + dice.below(100);
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
        for (place, player) in fallen.iter().rev().enumerate() {
            self.players[*player].rank = self.players.len() - fallen.len() + place + 1;
        }
        let standing: Vec<u64> =
            self.players.iter().map(|player| player.health).filter(|health| *health > 0).collect();
        for player in self.players.iter_mut().filter(|player| player.health > 0) {
            player.rank = standing.iter().filter(|health| **health > player.health).count() + 1;
        }
    }

    /// As the game server does: the records, then `Completed`, later a message for each player.
    async fn write(&self, redis: &Client, channel: &str, copies: u32) -> Result<(), fred::error::Error> {
        let (game, count) = (&self.token, self.players.len());
        let pipeline = redis.pipeline();
        for player in &self.players {
            let token = player.token.as_str();
            let (id, attack, health) =
                (player.superhero_id.to_string(), player.attack.to_string(), player.health.to_string());
            let hash = [("id", id.as_str()), ("attack", attack.as_str()), ("health", health.as_str())];
            queue(pipeline.sadd(Key::Game(game).to_string(), token).await)?;
            queue(pipeline.hset(Key::GameSuperhero(game, &player.token).to_string(), hash.to_vec()).await)?;
            queue(pipeline.sadd(Key::GameSuperheros(game).to_string(), id.as_str()).await)?;
            queue(pipeline.rpush(Key::GameOrder(game).to_string(), token).await)?;
        }
        let set = |key: Key<'_>, value: String| pipeline.set(key.to_string(), value, None, None, false);
        queue(set(Key::GameParticipants(game), count.to_string()).await)?;
        queue(set(Key::GameHost(game), self.players[0].token.to_string()).await)?;
        let score = (count as f64, game.as_str());
        queue(pipeline.zadd(Key::GamesParticipants.to_string(), None, None, false, false, score).await)?;
        let players = u32::try_from(count).unwrap_or(u32::MAX);
        queue(pipeline.rpush(Key::GamesOfPlayers(players).to_string(), game.as_str()).await)?;
        let (in_time, late) = self.log.split_at(self.log.len() - self.late);
        self.push(&pipeline, in_time).await?;
        let status = if self.completed { "Completed" } else { "Lobby" };
        queue(set(Key::GameStatus(game), status.to_owned()).await)?;
        self.push(&pipeline, late).await?;
        for player in self.players.iter().cycle().take(count * copies as usize) {
            let message = json!({
                "level": "INFO",
                "timestamp": "2022-10-01T12:00:00.123456",
                "name": "redis.lib.server.lobby",
                "log_message": "Cleaning Game Records",
                "task": {"game_token": game.as_str(), "user_token": player.token.as_str()},
            });
            // The server encodes twice.
            queue(pipeline.publish(channel, json!(message.to_string()).to_string()).await)?;
        }
        pipeline.all().await
    }

    async fn push(&self, pipeline: &Pipeline<Client>, log: &[String]) -> Result<(), fred::error::Error> {
        if log.is_empty() {
            return Ok(());
        }
        queue(pipeline.rpush(Key::GameLogs(&self.token).to_string(), log.to_vec()).await)
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

/// In a pipeline a command is only queued: its answer comes with all others.
fn queue(queued: Result<(), fred::error::Error>) -> Result<(), fred::error::Error> {
    queued
}

/// SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
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
