use std::path::{Path, PathBuf};

use crate::python;

/// The folder with node's packages, if it has this one: `BACKPLANE_NODE_MODULES`, or that which `scripts/lib.sh` makes in
/// `target`. Otherwise says on standard error that `what` is not run.
#[expect(clippy::disallowed_methods, reason = "tests have no settings of a service")]
pub fn find_node_modules(package: &str, what: &str) -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/node/node_modules");
    let modules = std::env::var_os("BACKPLANE_NODE_MODULES").map_or_else(default, PathBuf::from);
    let exists = modules.join(package).exists();
    if !exists {
        python::say_not_run(&format!(
            "{what} needs {package} in BACKPLANE_NODE_MODULES, which scripts/test.sh installs and sets where node is"
        ));
    }
    exists.then_some(modules)
}
