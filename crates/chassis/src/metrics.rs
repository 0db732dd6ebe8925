//! The registry of a process. What is counted is defined by the service.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::{Readiness, Service};

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

/// `process_gate_open{gate}`: 1 for each open gate of readiness, 0 for each closed one.
///
/// # Errors
/// Never: the name and the label are valid.
pub(crate) fn gates(readiness: &Readiness) -> prometheus::Result<Vec<MetricFamily>> {
    let help = "1 if this condition of /ready holds, 0 if not";
    let open = IntGaugeVec::new(Opts::new("process_gate_open", help), &["gate"])?;
    for (gate, is_open) in readiness.gates() {
        open.with_label_values(&[gate]).set(i64::from(is_open));
    }
    Ok(open.collect())
}
