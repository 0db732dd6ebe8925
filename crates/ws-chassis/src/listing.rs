use ws_server::token::{AccessDenied, Grant};
use ws_server::{Hosts, Origins, Request};

use crate::operator_token::OperatorToken;
use crate::settings::SocketSettings;

/// The runs that a client may be told of.
pub struct Listing(Grant);

impl Listing {
    pub(crate) fn by(grant: Grant) -> Self {
        Self(grant)
    }

    /// Whether a list for the client has this run.
    pub fn shows(&self, run: &str) -> bool {
        self.0.allows(run)
    }
}

/// Who may list runs where no token key is set. Whoever knows a run may watch it then, but ids may be hard to guess, and any
/// page of the web can send a request to a service that the browser's user reaches.
pub(crate) struct ListingRule {
    hosts: Hosts,
    origins: Origins,
}

impl ListingRule {
    pub(crate) fn new(settings: &SocketSettings) -> Self {
        Self { hosts: settings.allowed_hosts.clone(), origins: settings.allowed_origins.clone() }
    }

    /// By an operator's token that the request must have, or else by the page that asks.
    pub(crate) fn check(
        &self,
        request: &Request,
        operator_token: Option<&OperatorToken>,
    ) -> Result<(), AccessDenied> {
        match operator_token {
            Some(token) if token.is_in(request) => Ok(()),
            Some(_) => Err(AccessDenied::Unauthorized("a list of runs needs the operator's token")),
            None if self.allows_page(request) => Ok(()),
            None => Err(AccessDenied::OtherSite),
        }
    }

    fn allows_page(&self, request: &Request) -> bool {
        let (origin, host) = (request.header("origin"), request.header("host"));
        let site = request.header("sec-fetch-site");
        // Each browser sends one of these.
        let is_page = origin.is_some() || site.is_some() || request.header("accept-language").is_some();
        if !is_page {
            return true;
        }
        // That it is one of the allowed origins was checked before.
        let is_own = self.origins.are_limited()
            || match origin {
                Some(origin) => self.hosts.are_of(origin, host),
                None => !matches!(site, Some("cross-site" | "same-site")),
            };
        is_own && self.hosts.allow(host, &self.origins)
    }
}
