use ws_server::{Request, Response};

/// What a request for a list of runs asks for: `?search=TEXT&limit=50`.
#[derive(Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// A part of the ids.
    pub search: String,
    /// The most runs.
    pub limit: usize,
}

const DEFAULT_LIMIT: usize = 50;

impl ListQuery {
    /// The query of this request.
    ///
    /// # Errors
    /// The response to a limit that is no number from 1 to `max_limit`.
    pub fn parse(request: &Request, max_limit: usize) -> Result<Self, Response> {
        let limit = request.query("limit").map_or(Ok(DEFAULT_LIMIT), |limit| limit.parse());
        let limit = limit.ok().filter(|limit| (1..=max_limit).contains(limit));
        let limit = limit
            .ok_or_else(|| Response::text(400, format!("limit must be a number from 1 to {max_limit}")))?;
        Ok(Self { search: request.query("search").unwrap_or_default(), limit })
    }
}
