//! The registry of a process, and [`metrics!`](crate::metrics!), which declares what a service counts.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{Readiness, Service};

/// Declares the metrics of a service: one line each, with its field, type, name and help.
///
/// The struct gets `new(&Registry)`, which makes and registers all of them. It is `Clone`, and clones share the numbers.
/// Labels stand in brackets behind a `…Vec` type, buckets behind a histogram's.
///
/// ```
/// chassis::metrics! {
///     /// What this service counts.
///     pub(crate) struct Metrics("my_service_") {
///         applied: IntCounter = "messages_applied_total", "messages applied";
///         lag: IntGaugeVec["topic", "partition"] = "lag", "messages not yet applied";
///         batch_seconds: Histogram{vec![0.1, 1.0]} = "batch_seconds", "time to apply a batch";
///     }
/// }
/// let registry = prometheus::Registry::new();
/// let metrics = Metrics::new(&registry).unwrap();
/// metrics.applied.inc();
/// metrics.lag.with_label_values(&["orders", "0"]).set(7);
/// metrics.batch_seconds.observe(0.2);
/// assert_eq!(registry.gather()[0].name(), "my_service_batch_seconds");
/// ```
#[macro_export]
macro_rules! metrics {
    (
        $(#[$doc:meta])*
        $visible:vis struct $Metrics:ident($prefix:literal) {
            $($field:ident: $Type:ident $([$($label:literal),+])? $({$buckets:expr})? = $name:literal, $help:literal;)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        $visible struct $Metrics {
            $(#[doc = $help] $visible $field: ::prometheus::$Type,)+
        }

        impl $Metrics {
            /// Makes and registers the metrics.
            ///
            /// # Errors
            /// When `registry` has one of these names already.
            $visible fn new(registry: &::prometheus::Registry) -> ::prometheus::Result<Self> {
                Ok(Self {
                    $($field: {
                        let opts = ::prometheus::Opts::new(concat!($prefix, $name), $help);
                        $(let opts = ::prometheus::HistogramOpts::from(opts).buckets($buckets);)?
                        let metric = $crate::metrics!(@new $Type, opts $(, [$($label),+])?)?;
                        registry.register(Box::new(metric.clone()))?;
                        metric
                    },)+
                })
            }
        }
    };
    (@new $Type:ident, $opts:ident) => { ::prometheus::$Type::with_opts($opts) };
    (@new $Type:ident, $opts:ident, [$($label:literal),+]) => { ::prometheus::$Type::new($opts, &[$($label),+]) };
}

/// A registry with what every process shows: `process_*` (memory, CPU, descriptors) and `<service>_build_info`.
///
/// # Errors
/// Never, as long as the service's name makes a metric's name.
pub fn registry(service: Service) -> prometheus::Result<Registry> {
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let name = format!("{}_build_info", service.name.replace('-', "_"));
    let info = IntGauge::with_opts(Opts::new(name, "always 1").const_label("version", service.version))?;
    info.set(1);
    registry.register(Box::new(info))?;
    Ok(registry)
}

/// The name and the version of the service whose [`registry`] this is.
pub(crate) fn build_info(registry: &Registry) -> Option<(String, String)> {
    registry.gather().iter().find_map(|family| {
        let name = family.name().strip_suffix("_build_info")?.replace('_', "-");
        let label = family.get_metric().first()?.get_label().first()?;
        Some((name, label.value().to_owned()))
    })
}

/// `process_gate_open{gate}`: 1 for each open gate of readiness, 0 for each closed one. `process_gate_closings_total{gate}`:
/// how often it was open and then closed.
///
/// # Errors
/// Never: the names and the label are valid.
pub(crate) fn gates(readiness: &Readiness) -> prometheus::Result<Vec<MetricFamily>> {
    let help = "1 if this condition of /ready holds, 0 if not";
    let open = IntGaugeVec::new(Opts::new("process_gate_open", help), &["gate"])?;
    let help = "how often this condition of /ready held and then did not";
    let closings = IntCounterVec::new(Opts::new("process_gate_closings_total", help), &["gate"])?;
    for (gate, is_open, closed) in readiness.gates() {
        open.with_label_values(&[gate]).set(i64::from(is_open));
        closings.with_label_values(&[gate]).inc_by(closed);
    }
    Ok(open.collect().into_iter().chain(closings.collect()).collect())
}
