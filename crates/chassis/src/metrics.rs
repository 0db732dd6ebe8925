//! The registry of a process. What is counted is defined by the service.

use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, Opts, Registry};

use crate::Service;

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
