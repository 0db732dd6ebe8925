//! Dead letters over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `GET /dead-letters?after=ID&limit=50` | `{"count":…,"can_change":…,"dead_letters":[…],"next":ID,"last":ID}`, the oldest first; values are cut off at 4 KB |
//! | `GET /dead-letters/{id}` | one, with its whole value |
//! | `POST /dead-letters/{id}/replay` | 204: it was applied and removed; 409 with the reason: it still cannot be |
//! | `DELETE /dead-letters/{id}` | 204: it was removed |
//! | `POST /dead-letters/replay?after=ID&through=ID` | `{"applied":…,"left":…,"next":ID}` |
//! | `DELETE /dead-letters?through=ID` | `{"dropped":…,"next":ID}` |
//!
//! What concerns many ends after some seconds; with `next` given as `after` it goes on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::web::{self, Path, Query, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::dead_letter_json::to_json;
use crate::dead_letter_replay::DeadLetterReplay;
use crate::store::{DeadLetter, ReplayOutcome, StoreFailure};

/// The routes of dead letters. Clones share what they need.
#[derive(Clone)]
pub(crate) struct DeadLetterRoutes {
    pub(crate) replay: Arc<DeadLetterReplay>,
    /// Whether they may be replayed and dropped: only where the operator's token is needed.
    pub(crate) can_change: bool,
}

/// Which dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    /// Those after this one.
    after: Option<String>,
    /// Those up to this one.
    through: Option<String>,
    limit: Option<u64>,
}

#[derive(Serialize)]
struct Listing {
    count: u64,
    can_change: bool,
    dead_letters: Vec<Map<String, Value>>,
    /// What is given as `after` to go on; `None` at the end.
    next: Option<String>,
    /// The id of the newest.
    last: Option<String>,
}

impl DeadLetterRoutes {
    pub(super) fn routes(&self, routes: &mut ServiceConfig) {
        let shared = || self.clone();
        let (list, drop_all, replay_all) = (shared(), shared(), shared());
        let (get, drop, replay) = (shared(), shared(), shared());
        routes
            .service(
                web::resource("/dead-letters")
                    .route(web::get().to(move |range| list.clone().list(range)))
                    .route(web::delete().to(move |range| drop_all.clone().drop_all(range))),
            )
            .route("/dead-letters/replay", web::post().to(move |range| replay_all.clone().replay_all(range)))
            .service(
                web::resource("/dead-letters/{id}")
                    .route(web::get().to(move |id| get.clone().get(id)))
                    .route(web::delete().to(move |id| drop.clone().drop(id))),
            )
            .route("/dead-letters/{id}/replay", web::post().to(move |id| replay.clone().replay(id)));
    }

    async fn list(self, range: Query<Range>) -> Answer {
        let limit = range.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, LIMIT_MAX);
        let (count, last) = (self.replay.store.count().await?, self.replay.store.last_id().await?);
        // One more, to know whether there is a next page.
        let mut found = self.replay.store.list(position(range.after.as_deref())?, limit + 1).await?;
        let has_more = found.len() as u64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next = found.last().filter(|_| has_more).map(|last| last.id.clone());
        let dead_letters = found.iter().map(shortened).collect();
        Ok(HttpResponse::Ok().json(Listing { count, can_change: self.can_change, dead_letters, next, last }))
    }

    async fn get(self, id: Path<String>) -> Answer {
        Ok(HttpResponse::Ok().json(to_json(&self.find(&id).await?)))
    }

    async fn replay(self, id: Path<String>) -> Answer {
        self.check()?;
        match self.replay.apply(&self.find(&id).await?).await? {
            ReplayOutcome::Applied => Ok(HttpResponse::NoContent().finish()),
            ReplayOutcome::Missing => Err(Refusal::missing()),
            ReplayOutcome::Refused(reason) => Err(Refusal::new(StatusCode::CONFLICT, reason)),
        }
    }

    async fn drop(self, id: Path<String>) -> Answer {
        self.check()?;
        let dead_letter = self.find(&id).await?;
        self.replay.store.remove(vec![dead_letter.id]).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    async fn replay_all(self, range: Query<Range>) -> Answer {
        self.check()?;
        let (mut pages, mut applied, mut left) = (Pages::new(&self.replay, &range)?, 0, 0);
        while let Some(dead_letters) = pages.next().await? {
            for dead_letter in &dead_letters {
                match self.replay.apply(dead_letter).await? {
                    ReplayOutcome::Applied => applied += 1,
                    ReplayOutcome::Missing => {}
                    ReplayOutcome::Refused(_) => left += 1,
                }
            }
        }
        Ok(HttpResponse::Ok().json(json!({"applied": applied, "left": left, "next": pages.rest()})))
    }

    async fn drop_all(self, range: Query<Range>) -> Answer {
        self.check()?;
        let (mut pages, mut dropped) = (Pages::new(&self.replay, &range)?, 0);
        while let Some(dead_letters) = pages.next().await? {
            dropped += dead_letters.len();
            let ids = dead_letters.into_iter().map(|dead_letter| dead_letter.id).collect();
            self.replay.store.remove(ids).await?;
        }
        Ok(HttpResponse::Ok().json(json!({"dropped": dropped, "next": pages.rest()})))
    }

    fn check(&self) -> Result<(), Refusal> {
        if self.can_change {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::FORBIDDEN, "dead letters are changed where OPERATOR_TOKEN is set only"))
    }

    async fn find(&self, id: &str) -> Result<DeadLetter, Refusal> {
        if !is_id(id) {
            return Err(Refusal::missing());
        }
        self.replay.store.get(id).await?.ok_or_else(Refusal::missing)
    }
}

/// All dead letters of a range, a page at a time, until the time is over.
struct Pages<'a> {
    replay: &'a DeadLetterReplay,
    after: String,
    through: Option<(u64, u64)>,
    started: Instant,
    is_end: bool,
}

impl<'a> Pages<'a> {
    fn new(replay: &'a DeadLetterReplay, range: &Range) -> Result<Self, Refusal> {
        let after = position(range.after.as_deref())?.to_owned();
        let through = range.through.as_deref().map(|id| parse_id(id).ok_or_else(|| bad_id("through")));
        let through = through.transpose()?;
        Ok(Self { replay, after, through, started: Instant::now(), is_end: false })
    }

    async fn next(&mut self) -> Result<Option<Vec<DeadLetter>>, Refusal> {
        if self.is_end || self.started.elapsed() > TIME_LIMIT {
            return Ok(None);
        }
        let mut page = self.replay.store.list(&self.after, PAGE_SIZE).await?;
        let is_wanted = |dead_letter: &DeadLetter| {
            self.through.is_none_or(|through| parse_id(&dead_letter.id) <= Some(through))
        };
        let (found, wanted) =
            (page.len(), page.iter().take_while(|dead_letter| is_wanted(dead_letter)).count());
        page.truncate(wanted);
        self.is_end = wanted < found || found == 0;
        if let Some(last) = page.last() {
            self.after.clone_from(&last.id);
        }
        Ok((!page.is_empty()).then_some(page))
    }

    /// Where it goes on, if it has not reached the end.
    fn rest(&self) -> Option<&str> {
        (!self.is_end).then_some(self.after.as_str())
    }
}

/// For a list: the value is cut off.
fn shortened(dead_letter: &DeadLetter) -> Map<String, Value> {
    let value = &dead_letter.value;
    // A text must stay one.
    let end = std::str::from_utf8(value).map_or(SHOWN_BYTES, |text| text.floor_char_boundary(SHOWN_BYTES));
    let shown = value.slice(..value.len().min(end));
    let mut object = to_json(&DeadLetter { value: shown, ..dead_letter.clone() });
    object.insert("value_size".to_owned(), json!(value.len()));
    object
}

/// The entry after which a list begins.
fn position(after: Option<&str>) -> Result<&str, Refusal> {
    match after {
        None => Ok("0"),
        Some(id) if is_id(id) => Ok(id),
        Some(_) => Err(bad_id("after")),
    }
}

fn is_id(id: &str) -> bool {
    parse_id(id).is_some()
}

fn parse_id(id: &str) -> Option<(u64, u64)> {
    let (time, sequence) = id.split_once('-')?;
    Some((time.parse().ok()?, sequence.parse().ok()?))
}

type Answer = Result<HttpResponse, Refusal>;

/// Why a request is refused.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    fn missing() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such dead letter")
    }
}

fn bad_id(name: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, format!("{name} must be the id of a dead letter"))
}

/// Redis cannot be asked now.
impl From<StoreFailure> for Refusal {
    fn from(failure: StoreFailure) -> Self {
        anyhow::Error::from(failure).into()
    }
}

/// Redis or the schema registry cannot be asked now.
impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status).content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}

const DEFAULT_LIMIT: u64 = 50;
const LIMIT_MAX: u64 = 200;
const PAGE_SIZE: u64 = 100;
/// Of a value in a list, so many bytes are shown.
const SHOWN_BYTES: usize = 4096;
/// Far below what proxies wait for an answer.
const TIME_LIMIT: Duration = Duration::from_secs(5);
