//! What is checked of every request before the service sees it.
//!
//! | refused | with | because |
//! |---|---|---|
//! | a browser's request under a name that is not the service's | 421 | a stranger's name may point here (DNS rebinding) |
//! | a change that another site's page asks for | 403 | the user of the browser did not ask for it |
//! | a request without the operator's token, if there is one | 401 | |
//!
//! The probes are open to everybody. Programs that are no browsers send none of the headers of the first two rules.

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue,
    ORIGIN, WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse};
use web_security::{Hosts, Origins};

use super::authorization::has_token;
use super::settings::HttpSettings;
use crate::probe;

/// The checks of one service.
pub(super) struct Guard {
    token: Option<String>,
    hosts: Hosts,
    /// What every response gets, unless it has a header of that name.
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Host,
    CrossSite,
    Unauthorized,
}

impl Guard {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let policy = web_security::content_security_policy("");
        let headers = web_security::HEADERS.into_iter().chain([(CONTENT_SECURITY_POLICY.as_str(), &*policy)]);
        let headers = headers.map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)));
        Self {
            token: settings.operator_token.clone(),
            hosts: settings.allowed_hosts.clone(),
            // All are constants of this program, and valid.
            headers: headers.flatten().collect(),
        }
    }

    /// Has `next` answer, unless the request is refused. Every response gets the headers that browsers heed.
    pub(super) async fn handle<B: MessageBody>(
        self: Arc<Self>,
        mut request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<EitherBody<B>>, Error> {
        let checked = self.check(request.method(), request.path(), request.headers());
        let mut response = match checked {
            Ok(()) => next.call(request).await?.map_into_left_body(),
            Err(refusal) => {
                keep_until_sent(request.take_payload());
                request.into_response(refusal.response()).map_into_right_body()
            }
        };
        self.add_headers(response.headers_mut());
        Ok(response)
    }

    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        if probe::PATHS.contains(&path) {
            return Ok(());
        }
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let (host, origin, site) = (text(HOST), text(ORIGIN), text(SEC_FETCH_SITE));
        // With a token a stranger's name is of no use: the browser sends the token under the service's names only.
        let is_from_browser = BROWSERS.iter().any(|name| headers.contains_key(name));
        if self.token.is_none() && is_from_browser && !self.hosts.allow(host, &Origins::default()) {
            return Err(Refusal::Host);
        }
        let is_own_page = match origin {
            Some(origin) => self.hosts.are_of(origin, host),
            None => !matches!(site, Some("cross-site" | "same-site")),
        };
        if !is_own_page && !method.is_safe() {
            return Err(Refusal::CrossSite);
        }
        match &self.token {
            Some(token) if !has_token(text(AUTHORIZATION), token) => Err(Refusal::Unauthorized),
            _ => Ok(()),
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            if !headers.contains_key(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
    }
}

impl Refusal {
    fn response(self) -> HttpResponse {
        let (status, reason) = match self {
            Self::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "this is not a name of the service; ALLOWED_HOSTS lists them\n",
            ),
            Self::CrossSite => {
                (StatusCode::FORBIDDEN, "a page of another site may not change anything here\n")
            }
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "a request needs the operator's token: Authorization: Bearer TOKEN, or the token as a password\n",
            ),
        };
        let mut response = HttpResponse::build(status);
        if self == Self::Unauthorized {
            // A browser asks its user for the password, and sends it with every later request of the page.
            response.insert_header((WWW_AUTHENTICATE, "Basic realm=\"operator\", charset=\"UTF-8\""));
        }
        response.content_type("text/plain; charset=utf-8").body(reason)
    }
}

/// Keeps the body of a request that is refused until the response has been sent: actix-web would wait for the rest of a body
/// that was dropped, for ever.
pub fn keep_until_sent(payload: impl Sized + 'static) {
    actix_web::rt::spawn(async move {
        tokio::time::sleep(RESPONSE_TIME).await;
        drop(payload);
    });
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Each browser sends one of these. A page can give `Accept-Language` another value, but cannot leave it out.
const BROWSERS: [HeaderName; 3] = [ACCEPT_LANGUAGE, ORIGIN, SEC_FETCH_SITE];
/// Time to send a response of one line.
const RESPONSE_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
