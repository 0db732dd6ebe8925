//! Says in one line why a storage refused something. What the storage says is XML, and often not what is wrong.

use std::error::Error as _;

use object_store::Error;

/// The reason, in one line.
pub(super) fn explain(error: &Error) -> String {
    let text = error.to_string();
    let between = |start: &str, end: &str| Some(text.split_once(start)?.1.split_once(end)?.0.trim());
    if let Some(reason) = refused_identity(&text) {
        return one_line(&reason);
    }
    let code = between("<Code>", "</Code>");
    if let Some(reason) = reason(code.unwrap_or_default(), &text) {
        let region = between("<Region>", "</Region>").map(|region| format!(", {region}")).unwrap_or_default();
        return format!("{reason}{region} ({})", code.unwrap_or("no code"));
    }
    if let Some(code) = code {
        let message = between("<Message>", "</Message>").unwrap_or_default();
        // Azure adds the number and the time of the request, which differ each time.
        let message = message.split("RequestId:").next().unwrap_or_default();
        return one_line(&format!("{code}: {message}"));
    }
    // The first cause says what happened; the others, who noticed.
    let mut cause = error.source();
    while let Some(next) = cause.and_then(std::error::Error::source) {
        cause = Some(next);
    }
    let cause = cause.map(ToString::to_string).filter(|cause| !text.contains(cause.as_str()));
    one_line(&cause.map_or(text.clone(), |cause| format!("{text}: {cause}")))
}

/// What is wrong, and what to do about it.
fn reason(code: &str, text: &str) -> Option<&'static str> {
    Some(match code {
        "InvalidAccessKeyId" => "there is no such access key; look at AWS_ACCESS_KEY_ID",
        "SignatureDoesNotMatch" => "the secret of the key is wrong; look at AWS_SECRET_ACCESS_KEY",
        "InvalidToken" | "ExpiredToken" => {
            "the session token is wrong or has expired; look at AWS_SESSION_TOKEN"
        }
        "AccessDenied" => "the key may not do this",
        "AuthorizationPermissionMismatch" => {
            "the key or the identity may not do this; an identity needs the role Storage Blob Data Contributor"
        }
        "AuthorizationFailure" => "the key is wrong or may not do this",
        "NoSuchBucket" | "ContainerNotFound" => "there is no such bucket; look at ETL_OUTPUT",
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            "the bucket is in another region; look at AWS_REGION"
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong",
        "AuthenticationFailed" => {
            "the key of the account or the token of the identity is wrong, or the clock of this machine"
        }
        _ if text.contains("incorrectly configured region") => {
            "the bucket is in another region; look at AWS_REGION"
        }
        _ if text.contains("federated token file") => {
            "the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read"
        }
        _ if text.contains("invalid_grant") => {
            "the key of the service account is refused, or the clock of this machine is wrong"
        }
        _ => return None,
    })
}

/// What the authority of Azure's identities says, without the numbers and the time of the request, which differ each time.
fn refused_identity(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("AADSTS")?;
    let end = ["Trace ID", "\\r", "\\n", "\""]
        .into_iter()
        .filter_map(|end| rest.find(end))
        .min()
        .unwrap_or(rest.len());
    Some(format!("the identity is refused: AADSTS{}", rest[..end].trim_end()))
}

/// The text in one line, without how long it took (`in 58.4ms`): the same reason is logged once.
fn one_line(text: &str) -> String {
    let is_duration = |word: &&str| {
        let number = word.trim_end_matches([',', ':']).trim_end_matches(['n', 'µ', 'm', 's']);
        number.len() < word.len() && number.parse::<f64>().is_ok()
    };
    let (mut words, mut kept) = (text.split_whitespace().peekable(), Vec::new());
    while let Some(word) = words.next() {
        if word != "in" || words.next_if(is_duration).is_none() {
            kept.push(word);
        }
    }
    kept.join(" ").chars().take(MAX_CHARS).collect()
}

const MAX_CHARS: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_storage_says_becomes_one_line() {
        let generic = |text: &str| Error::Generic { store: "S3", source: text.to_owned().into() };
        let of = |code: &str| {
            let body = format!("<Error><Code>{code}</Code>\n<Message>No\nway</Message></Error>");
            explain(&generic(&format!("403 Forbidden: <?xml?>\n{body}")))
        };
        assert_eq!(of("NoSuchBucket"), "there is no such bucket; look at ETL_OUTPUT (NoSuchBucket)");
        assert_eq!(of("RequestTimeTooSkewed"), "the clock of this machine is wrong (RequestTimeTooSkewed)");
        assert_eq!(of("SlowDown"), "SlowDown: No way");
        let timed = generic("Error performing GET http://x in 58.418796ms - Server returned 403 in all");
        assert_eq!(
            explain(&timed),
            "Generic S3 error: Error performing GET http://x - Server returned 403 in all"
        );
        let message =
            "<Code>InvalidAuthenticationInfo</Code><Message>No way.\nRequestId:1\nTime:2026</Message>";
        assert_eq!(explain(&generic(message)), "InvalidAuthenticationInfo: No way.");
        let description =
            "AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2 Timestamp: 2026";
        let refused = format!("{{\"error\":\"invalid_client\",\"error_description\":\"{description}\"}}");
        let reason = "the identity is refused: AADSTS7000215: Invalid client secret provided.";
        assert_eq!(explain(&generic(&refused)), reason);
        let skew = "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT: Token must be a short-lived token\"}";
        let google =
            "the key of the service account is refused, or the clock of this machine is wrong (no code)";
        assert_eq!(explain(&generic(skew)), google);
        let moved = "<Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>";
        let reason =
            "the bucket is in another region; look at AWS_REGION, eu-west-1 (AuthorizationHeaderMalformed)";
        assert_eq!(explain(&generic(moved)), reason);
        assert_eq!(explain(&generic("connection\nrefused")), "Generic S3 error: connection refused");
    }
}
