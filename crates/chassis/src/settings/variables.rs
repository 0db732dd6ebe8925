//! Variables by name, and which of them a setting is read from.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Arg;

/// Variables by name.
pub(super) type Vars = BTreeMap<String, OsString>;

/// The variable of an argument. One that is written `NAME_*` is a family.
pub(super) fn name_of(arg: &Arg) -> Option<&str> {
    arg.get_env().and_then(|name| name.to_str())
}

/// The flags that stand for an argument's variable. Of a family, `NAME_X=1` becomes `--flag=X=1`.
pub(super) fn flags(arg: &Arg, vars: &Vars, prefix: &str) -> Vec<OsString> {
    let (Some(long), Some(name)) = (arg.get_long(), name_of(arg)) else {
        return Vec::new();
    };
    let flag = |member: &str, text: &OsString| {
        let mut flag = OsString::from(format!("--{long}={member}"));
        flag.push(text);
        flag
    };
    let Some(family) = name.strip_suffix('*') else {
        return lookup(vars, prefix, name).map(|text| flag("", text)).into_iter().collect();
    };
    let members = vars.iter().filter_map(|(name, text)| Some((name.strip_prefix(family)?, text)));
    members.filter(|(_, text)| !text.is_empty()).map(|(name, text)| flag(&format!("{name}="), text)).collect()
}

/// `PREFIX_NAME`, or else `NAME`. An empty variable counts as unset.
pub(super) fn lookup<'a>(vars: &'a Vars, prefix: &str, name: &str) -> Option<&'a OsString> {
    own(vars, prefix, name).or_else(|| get(vars, name))
}

/// `PREFIX_NAME` alone.
pub(super) fn own<'a>(vars: &'a Vars, prefix: &str, name: &str) -> Option<&'a OsString> {
    get(vars, &format!("{prefix}{name}"))
}

/// The variable of exactly this name, unless it is empty.
pub(super) fn get<'a>(vars: &'a Vars, name: &str) -> Option<&'a OsString> {
    vars.get(name).filter(|text| !text.is_empty())
}
