//! Why the group does not take this instance in.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What an error of the consumer says about joining its group, for people. `None` if it is about something else.
pub(crate) fn group_refusal(error: &KafkaError) -> Option<String> {
    let code = error.rdkafka_error_code()?;
    Some(match code {
        RDKafkaErrorCode::InconsistentGroupProtocol => {
            "the group has a member with another assignment strategy \
            (or another kind of member): stop it; or, to take its place without a stop, start with \
            KAFKA_CONF_PARTITION_ASSIGNMENT_STRATEGY=range,roundrobin"
                .to_owned()
        }
        RDKafkaErrorCode::GroupMaxSizeReached => {
            "the group has as many members as the broker allows".to_owned()
        }
        RDKafkaErrorCode::InvalidSessionTimeout => {
            "the broker does not allow this KAFKA_CONF_SESSION_TIMEOUT_MS".to_owned()
        }
        RDKafkaErrorCode::GroupAuthorizationFailed
        | RDKafkaErrorCode::InvalidGroupId
        | RDKafkaErrorCode::UnsupportedAssignor
        | RDKafkaErrorCode::FencedInstanceId => format!("the group refuses this instance: {code}"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_refuses_is_told_in_words() {
        let refusal = |code| group_refusal(&KafkaError::MessageConsumption(code));
        let strategy = refusal(RDKafkaErrorCode::InconsistentGroupProtocol).unwrap();
        assert!(strategy.contains("another assignment strategy") && strategy.contains("range,roundrobin"));
        assert!(refusal(RDKafkaErrorCode::GroupAuthorizationFailed).is_some());
        assert_eq!(refusal(RDKafkaErrorCode::BrokerTransportFailure), None);
    }
}
