//! The one file that speaks Redis. What must happen at once is a script, in `store/`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fred::clients::{Client, Pool};
use fred::error::{Error, ErrorKind};
use fred::interfaces::{
    ClientLike, HashesInterface, KeysInterface, ListInterface, SetsInterface, StreamsInterface,
};
use fred::types::scripts::Script;
use fred::types::{Expiration, SetOptions, Value};
use redis_core::id::GameToken;
use redis_core::{ConnectError, Connection, Key, RedisConfig, State, connect};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::game::Record;
use crate::part::Part;

/// A job: a game that ended, and the entry of the stream that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The entry's id; its first part is when the job was made, in ms since 1970.
    pub entry: String,
    /// The game.
    pub game: GameToken,
}

/// The records of a game as they are now.
#[derive(Debug)]
pub struct Records {
    /// The file that the game is to be in, once that is decided.
    pub part: Option<Part>,
    /// What could not be read at all.
    pub unreadable: Option<String>,
    /// The players.
    pub players: Vec<Record>,
    /// How many entries the log has.
    pub log_length: usize,
    /// The first of them, [`LOG_WINDOW`] at most.
    pub log: Vec<Value>,
}

/// What became of the message that a game ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// A job was made.
    Queued,
    /// The game has a job, or was written, or is a dead letter.
    Known,
    /// Nothing in Redis is of that game.
    Unknown,
}

/// A game that failed for good.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DeadLetter {
    /// Its entry in the stream.
    #[serde(skip)]
    pub entry: String,
    /// The game.
    pub game: String,
    /// The last failure.
    pub reason: String,
    /// When that was, in RFC 3339.
    pub when: String,
    /// How often it failed.
    pub tries: u64,
}

/// How games are let go after the commit.
#[derive(Debug, Clone, Copy)]
pub struct Cleaning {
    /// Whether they are at all.
    pub enabled: bool,
    /// Seconds after which their records expire.
    pub expiry_s: u32,
}

/// Games and jobs in Redis, as one worker process sees them.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    consumer: Arc<str>,
    scripts: Arc<Scripts>,
}

struct Scripts {
    enqueue: Script,
    settle: Script,
    claim: Script,
    renew: Script,
    read: Script,
    plan: Script,
    commit: Script,
    fail: Script,
    retry: Script,
    sweep: Script,
}

/// Entries of a log that are read at a time.
pub const LOG_WINDOW: usize = 1_000;

/// Failures after which a job is a dead letter.
pub const MAX_TRIES: u32 = 5;

const GROUP: &str = "workers";
const LISTS: [Key<'static>; 2] = [Key::GamesOfPlayers(0), Key::GamesOfParticipants(0)];
const REMEMBERED_S: u32 = 86_400;

impl Store {
    /// Connects in the background. `consumer` is this process's name among the workers, used by no other.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn connect(
        config: &RedisConfig,
        consumer: &str,
    ) -> Result<(Self, watch::Receiver<State>), ConnectError> {
        let Connection { client: pool, state } = connect::pool(config)?;
        Ok((Self::new(pool, consumer), state))
    }

    /// Uses a pool that stands.
    pub fn new(pool: Pool, consumer: &str) -> Self {
        macro_rules! script {
            ($file:literal) => {
                Script::from_lua(concat!(
                    include_str!("store/lib.lua"),
                    include_str!(concat!("store/", $file))
                ))
            };
        }
        let scripts = Scripts {
            enqueue: script!("enqueue.lua"),
            settle: script!("settle.lua"),
            claim: script!("claim.lua"),
            renew: script!("renew.lua"),
            read: script!("read.lua"),
            plan: script!("plan.lua"),
            commit: script!("commit.lua"),
            fail: script!("fail.lua"),
            retry: script!("retry.lua"),
            sweep: script!("sweep.lua"),
        };
        Self { pool, consumer: consumer.into(), scripts: Arc::new(scripts) }
    }

    /// Makes the stream's group if it is not there.
    pub async fn create_group(&self) -> Result<(), Error> {
        let made: Result<Value, Error> = self.pool.xgroup_create(jobs(), GROUP, "0", true).await;
        match made {
            Err(error) if error.details().starts_with("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    /// Makes jobs of games that ended, where they have none. The answers are in the games' order.
    pub async fn enqueue(&self, games: &[GameToken]) -> Result<Vec<Enqueued>, Error> {
        let answers: Vec<String> = self.run(&self.scripts.enqueue, marked(games), texts(games)).await?;
        let read = |answer: String| match answer.as_str() {
            "queued" => Enqueued::Queued,
            "known" => Enqueued::Known,
            _ => Enqueued::Unknown,
        };
        Ok(answers.into_iter().map(read).collect())
    }

    /// A page of all games and how to get the next; games whose token cannot be used are counted.
    pub async fn scan(&self, cursor: String) -> Result<(String, Vec<GameToken>, usize), Error> {
        let command = fred::cmd!("ZSCAN");
        let args =
            vec![Key::GamesParticipants.to_string(), cursor, "COUNT".to_owned(), SCAN_PAGE.to_string()];
        let (cursor, pairs): (String, Vec<Value>) = self.pool.custom(command, args).await?;
        let tokens =
            pairs.into_iter().step_by(2).map(|token| GameToken::parse(token.as_string().unwrap_or_default()));
        let (games, bad): (Vec<_>, Vec<_>) = tokens.partition(Result::is_ok);
        Ok((cursor, games.into_iter().flatten().collect(), bad.len()))
    }

    /// Makes jobs of those of the games that are completed and settled; gives their number.
    pub async fn settle(&self, games: &[GameToken], settle: Duration) -> Result<u64, Error> {
        let args = [settle.as_millis().to_string()].into_iter().chain(texts(games)).collect();
        self.run(&self.scripts.settle, marked(games), args).await
    }

    /// True if this worker may look for games without a message now; nobody else may for that time.
    pub async fn lead(&self, time: Duration) -> Result<bool, Error> {
        let expiration = Some(Expiration::PX(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)));
        let key = Key::EtlReconciler.to_string();
        let set: Option<String> =
            self.pool.set(key, self.consumer.as_ref(), expiration, Some(SetOptions::NX), false).await?;
        Ok(set.is_some())
    }

    /// Forgets consumers of processes that ended an hour ago.
    pub async fn sweep(&self) -> Result<u64, Error> {
        self.run(&self.scripts.sweep, vec![jobs()], vec![GROUP.to_owned(), "3600000".to_owned()]).await
    }

    /// Waits for new jobs on a connection of its own.
    pub async fn wait_for_jobs(
        &self,
        blocking: &Client,
        count: usize,
        wait: Duration,
    ) -> Result<Vec<Job>, Error> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let count = u64::try_from(count).ok();
        let read =
            blocking.xreadgroup(GROUP, self.consumer.as_ref(), count, Some(wait_ms), false, jobs(), ">");
        let read: Result<Result<Vec<(String, Entries)>, Error>, _> =
            timeout(wait + ANSWER_TIMEOUT, read).await;
        let Ok(read) = read else {
            // The connection is deaf; entries given to it are taken over after the lease.
            blocking.force_reconnection().await?;
            return Err(Error::new(ErrorKind::Timeout, "no answer on the blocking connection"));
        };
        let entries = read?.into_iter().flat_map(|(_, entries)| entries);
        Ok(entries.filter_map(|(entry, fields)| job(entry, fields.into_iter().nth(1)?)).collect())
    }

    /// Takes over jobs that nobody has renewed for a lease.
    pub async fn claim(&self, lease: Duration, count: usize) -> Result<Vec<Job>, Error> {
        let args = vec![
            GROUP.to_owned(),
            self.consumer.to_string(),
            lease.as_millis().to_string(),
            count.to_string(),
        ];
        let claimed: Vec<String> = self.run(&self.scripts.claim, vec![jobs()], args).await?;
        Ok(claimed.chunks_exact(2).filter_map(|pair| job(pair[0].clone(), pair[1].clone())).collect())
    }

    /// Renews the lease of these jobs; true where a job is still ours.
    pub async fn renew(&self, entries: &[String]) -> Result<Vec<bool>, Error> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let args = self.named().chain(entries.iter().cloned()).collect();
        let held: Vec<u8> = self.run(&self.scripts.renew, vec![jobs()], args).await?;
        Ok(held.into_iter().map(|held| held == 1).collect())
    }

    /// The records of games, in one round trip. Those of planned games only when asked for.
    pub async fn read(&self, games: &[&GameToken], planned_too: bool) -> Result<Vec<Records>, Error> {
        let keys =
            games.iter().flat_map(|game| [Key::EtlGame(game).to_string(), Key::Game(game).to_string()]);
        let args = vec![LOG_WINDOW.to_string(), u8::from(planned_too).to_string()];
        let answers: Vec<Value> = self.run(&self.scripts.read, keys.collect(), args).await?;
        answers.into_iter().map(records).collect()
    }

    /// Entries of a game's log from `start` on, [`LOG_WINDOW`] at most.
    pub async fn log(&self, game: &GameToken, start: usize) -> Result<Vec<Value>, Error> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        let stop = start.saturating_add(LOG_WINDOW as i64 - 1);
        self.pool.lrange(Key::GameLogs(game).to_string(), start, stop).await
    }

    /// Decides which part each job's game will be in. True where this worker's plan holds.
    pub async fn plan(&self, plan: &[(&Job, &Part)]) -> Result<Vec<bool>, Error> {
        let of_game =
            plan.iter().flat_map(|(job, part)| [Key::EtlGame(&job.game), Key::EtlPart(part.as_str())]);
        let keys =
            [Key::EtlJobs, Key::EtlOpenParts].into_iter().chain(of_game).map(|key| key.to_string()).collect();
        let args = self.named().chain(plan.iter().flat_map(|(job, part)| tagged(job, part))).collect();
        let held: Vec<u8> = self.run(&self.scripts.plan, keys, args).await?;
        Ok(held.into_iter().map(|held| held == 1).collect())
    }

    /// The games that a part holds and that are not committed.
    pub async fn games_of(&self, part: &Part) -> Result<Vec<GameToken>, Error> {
        let games: Vec<String> = self.pool.hkeys(Key::EtlPart(part.as_str()).to_string()).await?;
        Ok(games.into_iter().filter_map(|game| GameToken::parse(game).ok()).collect())
    }

    /// The parts that hold a game that is not committed.
    pub async fn open_parts(&self) -> Result<BTreeSet<String>, Error> {
        let parts: Vec<String> = self.pool.smembers(Key::EtlOpenParts.to_string()).await?;
        Ok(parts.into_iter().collect())
    }

    /// Marks games done whose parts are published, and lets their records go. True where the job was still ours.
    pub async fn commit(&self, done: &[(&Job, &Part)], cleaning: Cleaning) -> Result<Vec<bool>, Error> {
        let of_game = done.iter().flat_map(|(job, part)| {
            [Key::EtlGame(&job.game), Key::EtlPart(part.as_str()), Key::Game(&job.game)]
        });
        let keys = [Key::EtlJobs, Key::EtlOpenParts, Key::GamesParticipants].into_iter().chain(of_game);
        let Cleaning { enabled, expiry_s } = cleaning;
        let settings =
            [u8::from(enabled).to_string(), expiry_s.to_string(), (expiry_s + REMEMBERED_S).to_string()];
        let lists = LISTS.map(|list| list.to_string().trim_end_matches('0').to_owned());
        let games = done.iter().flat_map(|(job, part)| tagged(job, part));
        let args = self.named().chain(settings).chain(lists).chain(games).collect();
        let committed: Vec<u8> =
            self.run(&self.scripts.commit, keys.map(|key| key.to_string()).collect(), args).await?;
        Ok(committed.into_iter().map(|committed| committed == 1).collect())
    }

    /// Counts a failure of a job; gives the failures so far. The last makes it a dead letter.
    pub async fn fail(&self, job: &Job, reason: &str, when: &str) -> Result<u32, Error> {
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&job.game)].map(|key| key.to_string());
        let texts = [job.entry.as_str(), job.game.as_str(), reason].map(str::to_owned);
        let args = self.named().chain(texts).chain([MAX_TRIES.to_string(), when.to_owned()]).collect();
        self.run(&self.scripts.fail, keys.to_vec(), args).await
    }

    /// A page of dead letters after the given one (empty: from the first on).
    pub async fn dead_letters(&self, after: &str) -> Result<Vec<DeadLetter>, Error> {
        let start = if after.is_empty() { "-".to_owned() } else { format!("({after}") };
        let page: Entries = self.pool.xrange(Key::EtlDead.to_string(), start, "+", Some(DEAD_PAGE)).await?;
        let letter = |(entry, fields): (String, Vec<String>)| {
            let field = |name: &str| {
                let pair = fields.chunks_exact(2).find(|pair| pair[0] == name);
                pair.map(|pair| pair[1].clone()).unwrap_or_default()
            };
            let (game, reason, when) = (field("game"), field("reason"), field("when"));
            DeadLetter { entry, game, reason, when, tries: field("tries").parse().unwrap_or_default() }
        };
        Ok(page.into_iter().map(letter).collect())
    }

    /// Makes a job of a dead letter again; false if somebody else did.
    pub async fn retry(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let Ok(game) = GameToken::parse(letter.game.as_str()) else { return Ok(false) };
        let keys = [Key::EtlJobs, Key::EtlDead, Key::EtlGame(&game)].map(|key| key.to_string());
        let args = vec![letter.entry.clone(), game.to_string()];
        self.run::<u8>(&self.scripts.retry, keys.to_vec(), args).await.map(|retried| retried == 1)
    }

    /// Jobs that are not done, and dead letters.
    pub async fn depths(&self) -> Result<(u64, u64), Error> {
        Ok((self.pool.xlen(jobs()).await?, self.pool.xlen(Key::EtlDead.to_string()).await?))
    }

    fn named(&self) -> impl Iterator<Item = String> + use<> {
        [GROUP.to_owned(), self.consumer.to_string()].into_iter()
    }

    async fn run<R: fred::types::FromValue>(
        &self,
        script: &Script,
        keys: Vec<String>,
        args: Vec<String>,
    ) -> Result<R, Error> {
        script.evalsha_with_reload(self.pool.next(), keys, args).await
    }
}

/// Entries of a stream: id, and fields and values in turn.
type Entries = Vec<(String, Vec<String>)>;

fn jobs() -> String {
    Key::EtlJobs.to_string()
}

fn job(entry: String, game: String) -> Option<Job> {
    Some(Job { entry, game: GameToken::parse(game).ok()? })
}

/// The stream of jobs, then per game: its state, its players, its settling mark.
fn marked(games: &[GameToken]) -> Vec<String> {
    let keys = games.iter().flat_map(|game| [Key::EtlGame(game), Key::Game(game), Key::EtlSettling(game)]);
    [Key::EtlJobs].into_iter().chain(keys).map(|key| key.to_string()).collect()
}

fn texts(games: &[GameToken]) -> Vec<String> {
    games.iter().map(ToString::to_string).collect()
}

fn tagged(job: &Job, part: &Part) -> [String; 3] {
    [job.game.to_string(), job.entry.clone(), part.to_string()]
}

fn records(answer: Value) -> Result<Records, Error> {
    let (part, error, players, log_length, log): (String, Value, Vec<Value>, usize, Vec<Value>) =
        answer.convert()?;
    let error = error.as_bytes().map(|error| String::from_utf8_lossy(error).into_owned()).unwrap_or_default();
    let mut unreadable = (!error.is_empty()).then_some(error);
    let mut read = Vec::with_capacity(players.len() / 3);
    for player in players.chunks_exact(3) {
        match player[0].as_string() {
            Some(user_token) => {
                read.push(Record {
                    user_token,
                    superhero_id: player[1].as_string(),
                    health: player[2].as_string(),
                });
            }
            None => unreadable = Some("a user token is no text".to_owned()),
        }
    }
    Ok(Records { part: Part::parse(&part), unreadable, players: read, log_length, log })
}

const SCAN_PAGE: usize = 200;
const DEAD_PAGE: u64 = 500;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
