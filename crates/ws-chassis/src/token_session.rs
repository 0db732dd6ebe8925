//! The session of a client that needs a token. Its messages may have to wait: until it has shown the token, or until a key that
//! is not known yet was fetched.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use ws_server::token::AccessDenied;
use ws_server::{Client, Reply, Request, Response, Session};

use crate::access::Access;
use crate::client_access::ClientAccess;
use crate::opener::Opener;
use crate::waiting_texts::WaitingTexts;

/// See [the module](self).
pub(crate) struct TokenSession {
    shared: Arc<Shared>,
    /// Delivers the messages that wait.
    delivery: Option<AbortOnDropHandle<()>>,
}

struct Shared {
    client: Client,
    access: Arc<ClientAccess>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    /// The service's. `None` until the client has shown its token.
    session: Option<Box<dyn Session>>,
    /// The messages that wait, if they have to.
    waiting: Option<WaitingTexts>,
}

impl TokenSession {
    /// For a client that has come with its token.
    pub(crate) fn new(client: Client, access: Arc<ClientAccess>, session: Box<dyn Session>) -> Self {
        access.bind(client.clone());
        Self::with(client, access, State { session: Some(session), waiting: None })
    }

    /// For a client whose first message must be its token. `request` is opened then.
    pub(crate) fn before_token<O: Opener>(
        client: Client,
        access: Arc<ClientAccess>,
        time_limit: Duration,
        request: Request,
        opener: Arc<O>,
    ) -> Self {
        let mut session =
            Self::with(client, access, State { session: None, waiting: Some(WaitingTexts::default()) });
        let shared = session.shared.clone();
        session.delivery = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            if shared.open(time_limit, request, &*opener).await {
                shared.deliver().await;
            }
        })));
        session
    }

    fn with(client: Client, access: Arc<ClientAccess>, state: State) -> Self {
        let shared = Shared { client, access, state: Mutex::new(state), arrived: Notify::new() };
        Self { shared: Arc::new(shared), delivery: None }
    }
}

impl Session for TokenSession {
    fn on_text(&mut self, text: &str) {
        let shared = &self.shared;
        let state = &mut *shared.state.lock();
        match &mut state.waiting {
            Some(waiting) => match waiting.push(text) {
                true => shared.arrived.notify_one(),
                false => shared.client.close(1008, "too many messages while a token is checked"),
            },
            None if shared.must_wait(text) => {
                state.waiting = Some(WaitingTexts::with(text));
                let shared = shared.clone();
                self.delivery =
                    Some(AbortOnDropHandle::new(tokio::spawn(async move { shared.deliver().await })));
            }
            None => shared.handle(state, text),
        }
    }
}

impl Drop for TokenSession {
    fn drop(&mut self) {
        self.delivery = None;
        // Not only when the task has noticed that.
        let session = self.shared.state.lock().session.take();
        drop(session);
    }
}

impl Shared {
    /// Returns whether the client was opened.
    async fn open(&self, time_limit: Duration, request: Request, opener: &impl Opener) -> bool {
        let denied = match tokio::time::timeout(time_limit, self.first_token()).await {
            Err(_) => AccessDenied::Unauthorized("no token has come in time"),
            Ok(None) => AccessDenied::Unauthorized("the first message must be the token"),
            Ok(Some(token)) => {
                self.access.set(self.access.verifier().verify(Some(&token)).await);
                match opener.open(request, Access::by(self.access.clone())).await {
                    Ok(Reply::WebSocket(on_open)) => {
                        self.access.bind(self.client.clone());
                        let session = on_open(self.client.clone());
                        self.state.lock().session = Some(session);
                        return true;
                    }
                    Ok(Reply::Http(response)) => {
                        self.client.refuse(&response);
                        return false;
                    }
                    Ok(Reply::EventStream(_)) => {
                        self.client.refuse(&Response::text(400, "this is an event stream"));
                        return false;
                    }
                    Err(denied) => denied,
                }
            }
        };
        self.client.close(denied.close_code(), denied.reason());
        false
    }

    /// `None` if the first message is something else.
    async fn first_token(&self) -> Option<String> {
        loop {
            let first = self.state.lock().waiting.as_mut().and_then(WaitingTexts::pop);
            match first {
                Some(text) => return renewal(&text),
                None => self.arrived.notified().await,
            }
        }
    }

    /// Handles the messages that wait, one after another.
    async fn deliver(&self) {
        loop {
            let next = {
                let state = &mut *self.state.lock();
                let next = state.waiting.as_mut().and_then(WaitingTexts::pop);
                if next.is_none() {
                    state.waiting = None;
                }
                next
            };
            let Some(text) = next else { return };
            if self.must_wait(&text) {
                self.access.verifier().refreshed().await;
            }
            let state = &mut *self.state.lock();
            self.handle(state, &text);
        }
    }

    /// Whether it has a token that a key might verify that is not known yet.
    fn must_wait(&self, text: &str) -> bool {
        let token =
            text.contains(TOKEN_FIELD).then(|| serde_json::from_str::<WithToken>(text).ok()).flatten();
        token.is_some_and(|message| self.access.verifier().may_change_its_mind(&message.token))
    }

    fn handle(&self, state: &mut State, text: &str) {
        match (renewal(text), &mut state.session) {
            (Some(token), _) => self.access.renew(&token),
            (None, Some(session)) => session.on_text(text),
            (None, None) => {}
        }
    }
}

const TOKEN_FIELD: &str = "\"token\"";

#[derive(Deserialize)]
struct WithToken {
    r#type: String,
    token: String,
}

/// The token of `{"type":"token","token":"…"}`.
fn renewal(text: &str) -> Option<String> {
    let message =
        text.contains(TOKEN_FIELD).then(|| serde_json::from_str::<WithToken>(text).ok()).flatten()?;
    (message.r#type == "token").then_some(message.token)
}
