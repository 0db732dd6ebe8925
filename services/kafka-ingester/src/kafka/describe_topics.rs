//! librdkafka's DescribeTopics request: does a topic exist, and what is its id?
//!
//! The id tells a topic from a later one of the same name. rdkafka has no binding for this request. A plain
//! metadata request would not do: it can create the topic.
#![expect(unsafe_code, reason = "DescribeTopics is in librdkafka's C interface alone")]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

use rdkafka::bindings as c;
use rdkafka::consumer::Consumer as _;
use rdkafka::metadata::MetadataBroker;
use rdkafka::types::RDKafkaRespErr;

use super::consumer::Consumer;

/// What a broker says about a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicState {
    /// It exists. The id is empty if the broker is too old to have ids.
    Exists(String),
    /// It does not exist, or may not be read: the reason.
    Missing(String),
}

/// Describes `topics`, of which there must be one at least. Blocks for at most twice `timeout`.
///
/// # Errors
/// If no broker answered; the text says why.
pub(super) fn describe_topics(
    consumer: &Consumer,
    topics: &[String],
    timeout: Duration,
) -> Result<HashMap<String, TopicState>, String> {
    let names = topics.iter().map(|topic| CString::new(topic.as_str())).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|_| "a topic's name holds a zero byte".to_owned())?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let client = consumer.client().native_ptr();
    let broker = first_broker(consumer, &topics[0], timeout)?;

    // SAFETY: `client` lives as long as `consumer`. Everything that is created here is destroyed here, after
    // its last use: `names` outlives the collection, which copies them, and the description's texts are
    // copied before the event goes.
    unsafe {
        let collection = c::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options =
            c::rd_kafka_AdminOptions_new(client, c::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        c::rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, ptr::null_mut(), 0);
        c::rd_kafka_AdminOptions_set_broker(options, broker, ptr::null_mut(), 0);
        let queue = c::rd_kafka_queue_new(client);
        c::rd_kafka_DescribeTopics(client, collection, options, queue);
        let event = c::rd_kafka_queue_poll(queue, timeout_ms);
        let states = read_result(event);
        if !event.is_null() {
            c::rd_kafka_event_destroy(event);
        }
        c::rd_kafka_queue_destroy(queue);
        c::rd_kafka_AdminOptions_destroy(options);
        c::rd_kafka_TopicCollection_destroy(collection);
        states
    }
}

/// Any broker can answer. Without one named, librdkafka would wait for the controller, which this client may
/// be unable to reach.
fn first_broker(consumer: &Consumer, topic: &str, timeout: Duration) -> Result<i32, String> {
    let metadata = consumer.fetch_metadata(Some(topic), timeout).map_err(|error| error.to_string())?;
    metadata.brokers().first().map(MetadataBroker::id).ok_or_else(|| "no broker is known".to_owned())
}

/// # Safety
/// `event` is null or an event that lives.
unsafe fn read_result(event: *mut c::rd_kafka_event_t) -> Result<HashMap<String, TopicState>, String> {
    if event.is_null() {
        return Err("no broker answered in time".to_owned());
    }
    // SAFETY: all pointers are owned by the event, which lives; librdkafka terminates its texts.
    unsafe {
        if c::rd_kafka_event_error(event) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(copy_text(c::rd_kafka_event_error_string(event)));
        }
        let mut count = 0;
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        let topics = c::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let read_topic = |index| {
            let topic = *topics.add(index);
            let error = c::rd_kafka_TopicDescription_error(topic);
            let state = match c::rd_kafka_error_code(error) {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => TopicState::Exists(topic_id(topic)),
                RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART => {
                    TopicState::Missing("does not exist".to_owned())
                }
                _ => TopicState::Missing(format!(
                    "cannot be read: {}",
                    copy_text(c::rd_kafka_error_string(error))
                )),
            };
            (copy_text(c::rd_kafka_TopicDescription_name(topic)), state)
        };
        Ok((0..count).map(read_topic).collect())
    }
}

/// # Safety
/// `topic` is a description that lives.
unsafe fn topic_id(topic: *const c::rd_kafka_TopicDescription_t) -> String {
    // SAFETY: the id is owned by the description.
    let (most, least) = unsafe {
        let id = c::rd_kafka_TopicDescription_topic_id(topic);
        (c::rd_kafka_Uuid_most_significant_bits(id), c::rd_kafka_Uuid_least_significant_bits(id))
    };
    if (most, least) == (0, 0) { String::new() } else { format!("{most:016x}{least:016x}") }
}

/// # Safety
/// `text` is null or a terminated text.
unsafe fn copy_text(text: *const c_char) -> String {
    // SAFETY: as the caller says.
    if text.is_null() {
        String::new()
    } else {
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }
}
