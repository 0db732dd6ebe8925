use fred::types::config::Server;

use crate::RedisError;

/// What a node says about a command that it does not run itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Redirect {
    /// This node has the slot.
    Moved(Server),
    /// The slot is being moved there, and so may the key have been. The command is repeated there behind `ASKING`.
    Ask(Server),
    /// Nobody is known yet who has the slot.
    Unknown,
    /// The slot is being moved, and the command's keys are on both nodes for a moment.
    TryAgain,
}

impl Redirect {
    /// What `asked` has said; `None` for every other error.
    pub(crate) fn of(error: &RedisError, asked: &Server) -> Option<Self> {
        let mut words = error.details().split_whitespace();
        let code = words.next()?;
        if code == "TRYAGAIN" {
            return Some(Self::TryAgain);
        }
        let (host, port) = words.nth(1)?.rsplit_once(':')?;
        // A node that does not know its own name leaves it out.
        let host = if host.is_empty() { &*asked.host } else { host };
        let server = Server::new(host, port.parse().ok()?);
        match code {
            "MOVED" => Some(Self::Moved(server)),
            "ASK" => Some(Self::Ask(server)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use fred::error::ErrorKind;

    use super::*;

    fn of(text: &'static str) -> Option<Redirect> {
        Redirect::of(&RedisError::new(ErrorKind::Cluster, text), &Server::new("10.0.0.1", 7000))
    }

    #[test]
    fn redirections_name_the_node_and_other_errors_are_none() {
        assert_eq!(of("MOVED 3999 10.0.0.2:7001"), Some(Redirect::Moved(Server::new("10.0.0.2", 7001))));
        assert_eq!(of("ASK 3999 :7001"), Some(Redirect::Ask(Server::new("10.0.0.1", 7001))));
        assert_eq!(of("MOVED 3999 ::1:7001"), Some(Redirect::Moved(Server::new("::1", 7001))));
        assert_eq!(of("TRYAGAIN Multiple keys request during rehashing of slot"), Some(Redirect::TryAgain));
        assert_eq!(of("CLUSTERDOWN The cluster is down"), None);
        assert_eq!(of("WRONGTYPE Operation against a key"), None);
    }
}
