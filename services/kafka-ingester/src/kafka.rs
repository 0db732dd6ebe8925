//! Everything that this service does with librdkafka, apart from reading messages.

mod bootstrap_brokers;
mod client_handler;
mod commit;
mod consumer;
mod describe_topics;
mod event_handler;
mod group_refusal;
mod lag;
mod oauth;
mod partition_list;
mod record;
mod start_position;
mod topics;

pub(crate) use client_handler::ClientHandler;
pub(crate) use commit::commit_offsets;
pub(crate) use consumer::{Consumer, assign, create_consumer, seek};
pub(crate) use describe_topics::TopicState;
pub(crate) use event_handler::EventHandler;
pub(crate) use group_refusal::group_refusal;
pub(crate) use partition_list::{format_partitions, partitions_of};
pub(crate) use record::record_of;
pub(crate) use start_position::{StartPosition, find_start_position};
pub(crate) use topics::{describe_topics, fetch_topic_id, list_topics};
