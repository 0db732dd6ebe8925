//! The page at `/`: jobs, throughput, dead letters, the last files, and a count by day.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Json, Query, ServiceConfig};
use chassis::http::{CSS, JAVASCRIPT, StaticFile};
use redis_core::error::reason;
use redis_core::id::GameToken;
use serde::{Deserialize, Serialize};

use crate::dead_letters;
use crate::file_rows;
use crate::output::Output;
use crate::part::Part;
use crate::recent_files::{PublishedFile, RecentFiles};
use crate::store::{DayCount, DeadLetter, Store};

/// What the page shows. Cloning shares it.
#[derive(Clone)]
pub struct Page {
    /// The datasets.
    pub datasets: Arc<[ShownDataset]>,
    /// Whether dead letters may be retried and dropped: only where the operator's token is needed.
    pub can_change: bool,
}

/// What is shown of a dataset.
pub struct ShownDataset {
    /// Its jobs and dead letters.
    pub store: Store,
    /// The last files that this worker wrote.
    pub files: RecentFiles,
    /// Where the rows of a file are.
    pub output: Output,
}

/// The state of a dataset, as JSON.
#[derive(Serialize)]
struct DatasetStatus {
    name: String,
    /// Jobs that are not committed.
    waiting: u64,
    /// Sessions that failed for good: their number, and the oldest of them.
    dead: u64,
    letters: Vec<DeadLetter>,
    /// Committed sessions by day (UTC), of all workers.
    days: Vec<DayCount>,
    files: Vec<PublishedFile>,
}

#[derive(Serialize)]
struct Status {
    can_change: bool,
    datasets: Vec<DatasetStatus>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    dataset: String,
    game: String,
}

/// A file of a table.
#[derive(Deserialize)]
struct FilePath {
    dataset: String,
    table: String,
    path: String,
}

const FILES: [StaticFile; 3] = [
    StaticFile::new("/page.css", CSS, include_str!("../web/page.css")),
    StaticFile::new("/page.js", JAVASCRIPT, include_str!("../web/page.js")),
    StaticFile::new("/datasets.js", JAVASCRIPT, include_str!("../web/datasets.js")),
];

impl Page {
    /// The routes `/` and its files, `/status`, `/rows`, `/dead/retry` and `/dead/drop`.
    pub fn routes(&self, routes: &mut ServiceConfig) {
        let [status, rows, retry, drop] = [self.clone(), self.clone(), self.clone(), self.clone()];
        chassis::http::static_files(&FILES, routes);
        chassis::http::console_files(routes);
        routes
            .route("/", chassis::http::page(include_str!("../web/index.html")))
            .route("/status", web::get().to(move || status.clone().status()))
            .route("/rows", web::get().to(move |file| rows.clone().rows(file)))
            .route("/dead/retry", web::post().to(move |change| retry.clone().retry(change)))
            .route("/dead/drop", web::post().to(move |change| drop.clone().drop(change)));
    }

    async fn status(self) -> HttpResponse {
        let mut datasets = Vec::new();
        for dataset in self.datasets.iter() {
            match read_status(dataset).await {
                Ok(dataset) => datasets.push(dataset),
                Err(error) => {
                    return text(StatusCode::SERVICE_UNAVAILABLE, &format!("redis: {}", reason(&error)));
                }
            }
        }
        HttpResponse::Ok().json(Status { can_change: self.can_change, datasets })
    }

    async fn rows(self, file: Query<FilePath>) -> HttpResponse {
        let (Some(dataset), Some(part)) = (self.dataset(&file.dataset), Part::parse(&file.path)) else {
            return text(StatusCode::NOT_FOUND, "there is no such dataset or file");
        };
        match file_rows::read(&dataset.output, &file.table, &part).await {
            Ok(Some(rows)) => HttpResponse::Ok().json(rows),
            Ok(None) => {
                text(StatusCode::NOT_FOUND, "the file is not there any more: a compaction has merged it")
            }
            Err(error) => text(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        }
    }

    fn dataset(&self, name: &str) -> Option<&ShownDataset> {
        self.datasets.iter().find(|dataset| dataset.store.dataset().name == name)
    }

    async fn retry(self, change: Json<Change>) -> HttpResponse {
        let (store, game) = match self.find(&change) {
            Ok(found) => found,
            Err((status, reason)) => return text(status, reason),
        };
        answer(dead_letters::retry(std::slice::from_ref(store), &[game]).await.map(drop))
    }

    async fn drop(self, change: Json<Change>) -> HttpResponse {
        let (store, game) = match self.find(&change) {
            Ok(found) => found,
            Err((status, reason)) => return text(status, reason),
        };
        answer(dead_letters::drop(std::slice::from_ref(store), &[game], None).await.map(drop))
    }

    /// The dataset and the game of a change, if the request may make it.
    fn find(&self, change: &Change) -> Result<(&Store, GameToken), Refusal> {
        if !self.can_change {
            return Err((StatusCode::FORBIDDEN, "OPERATOR_TOKEN is not set"));
        }
        match (self.dataset(&change.dataset), GameToken::parse(change.game.as_str())) {
            (Some(dataset), Ok(game)) => Ok((&dataset.store, game)),
            _ => Err((StatusCode::NOT_FOUND, "there is no such dataset or game")),
        }
    }
}

/// Why a change is not made.
type Refusal = (StatusCode, &'static str);

async fn read_status(dataset: &ShownDataset) -> Result<DatasetStatus, redis_core::RedisError> {
    let ShownDataset { store, files, .. } = dataset;
    let (waiting, dead) = store.queue_lengths().await?;
    let mut letters = store.dead_letters("").await?;
    letters.truncate(MAX_LETTERS);
    let days = store.days(SHOWN_DAYS).await?;
    let name = store.dataset().name.clone();
    Ok(DatasetStatus { name, waiting, dead, letters, days, files: files.list() })
}

fn answer(changed: anyhow::Result<()>) -> HttpResponse {
    match changed {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(error) => text(StatusCode::CONFLICT, &format!("{error:#}")),
    }
}

fn text(status: StatusCode, line: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(format!("{line}\n"))
}

const MAX_LETTERS: usize = 100;
const SHOWN_DAYS: usize = 30;
