//! `object-store ls`, `get`, `put` and `rm`: what an operator does with a running node, over HTTP.

use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Body, Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use crate::config::{NodeCommand, Selection};

/// Runs a command against the node at this URL, with this token.
///
/// # Errors
/// When the node cannot be reached or refuses the request, or a file cannot be read.
pub(crate) async fn run(
    command: &NodeCommand,
    (url, token): (&str, Option<&str>),
) -> anyhow::Result<ExitCode> {
    let node = Node { client: Client::new(), url: url.trim_end_matches('/'), token };
    match command {
        NodeCommand::Ls { selection, waiting } => node.list(selection, *waiting).await?,
        NodeCommand::Get { id } => node.get(id).await?,
        NodeCommand::Put { id, file, metadata } => node.put(id, file.as_deref(), metadata).await?,
        NodeCommand::Rm { ids, selection } if ids.is_empty() => node.remove_selected(selection).await?,
        NodeCommand::Rm { ids, .. } => node.remove(ids).await?,
    }
    Ok(ExitCode::SUCCESS)
}

struct Node<'a> {
    client: Client,
    url: &'a str,
    token: Option<&'a str>,
}

#[derive(Deserialize)]
struct Page {
    objects: Vec<Listed>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    size: Option<u64>,
    age_seconds: Option<u64>,
    waiting: u64,
}

impl Node<'_> {
    /// One line for each object; what is not known is `-`.
    async fn list(&self, selection: &Selection, waiting: bool) -> anyhow::Result<()> {
        let mut out = stdout();
        out.write_all(b"id\tbytes\tage_s\twaiting\n")?;
        let mut after = None;
        loop {
            let mut query = query(selection);
            query.push(("waiting", waiting.to_string()));
            query.extend(after.map(|after| ("after", after)));
            let page: Page = self.send(self.objects(Method::GET, &query)).await?.json().await?;
            let mut lines = String::new();
            for Listed { id, size, age_seconds, waiting } in page.objects {
                let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
                lines += &format!("{id}\t{}\t{}\t{waiting}\n", known(size), known(age_seconds));
            }
            out.write_all(lines.as_bytes())?;
            after = page.next;
            if after.is_none() {
                return Ok(out.flush()?);
            }
        }
    }

    async fn get(&self, id: &str) -> anyhow::Result<()> {
        let mut response = self.send(self.object(Method::GET, id)).await?;
        let mut out = stdout();
        while let Some(part) = response.chunk().await.context("the object was cut off")? {
            out.write_all(&part)?;
        }
        Ok(out.flush()?)
    }

    async fn put(&self, id: &str, file: Option<&Path>, metadata: &str) -> anyhow::Result<()> {
        let path = file.unwrap_or(Path::new("/dev/stdin"));
        let failed = || format!("read {}", path.display());
        let file = File::open(path).await.with_context(failed)?;
        let about = file.metadata().await.with_context(failed)?;
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, 256 << 10));
        let mut request = self.object(Method::PUT, id).body(body);
        if about.is_file() {
            request = request.header("content-length", about.len());
        }
        let metadata = utf8_percent_encode(metadata, NON_ALPHANUMERIC).to_string();
        self.send(request.header("x-object-metadata", metadata)).await?;
        Ok(())
    }

    async fn remove(&self, ids: &[String]) -> anyhow::Result<()> {
        for id in ids {
            self.send(self.object(Method::DELETE, id)).await.with_context(|| format!("remove {id}"))?;
        }
        Ok(())
    }

    async fn remove_selected(&self, selection: &Selection) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Removed {
            removed: u64,
        }
        let request = self.objects(Method::DELETE, &query(selection));
        let Removed { removed } = self.send(request).await?.json().await?;
        println!("{removed} removed");
        Ok(())
    }

    fn objects(&self, method: Method, query: &[(&str, String)]) -> RequestBuilder {
        self.client.request(method, format!("{}/objects", self.url)).query(query)
    }

    fn object(&self, method: Method, id: &str) -> RequestBuilder {
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
        self.client.request(method, format!("{}/objects/{id}", self.url))
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let request = match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let response = request.send().await.with_context(|| format!("talk to {}", self.url))?;
        let status = response.status();
        if !status.is_success() {
            bail!("{} answered {}: {}", self.url, status.as_u16(), response.text().await?.trim());
        }
        Ok(response)
    }
}

fn query(selection: &Selection) -> Vec<(&'static str, String)> {
    let prefix = selection.prefix.as_ref().map(|prefix| ("prefix", prefix.clone()));
    let max_age = selection.max_age.map(|age| ("max_age", format!("{}ms", age.as_millis())));
    prefix.into_iter().chain(max_age).collect()
}
