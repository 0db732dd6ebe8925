//! Computes the rows of one session from its records.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::mem;
use std::sync::Arc;

use super::condition::{Condition, order};
use super::definition::{Check, Definition, FolderKey, Fragment, How, RankKey, TablePlan, Total, TotalKind};
use super::model::Dataset;
use super::names::{Scope, Source};
use crate::part::DAY;
use crate::table::{Origin, Rows, Table, Value, segment};

/// A member as Redis has it. Fields may be missing or invalid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberRecord {
    /// The member of the set.
    pub name: String,
    /// The fields of its hash, as many as [`Dataset::member_fields`].
    pub fields: Vec<Option<String>>,
}

/// Why no rows can be computed from a session's records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSession(pub String);

/// Adds a session's entries up one by one, so that a long list needs no more memory than a short one.
pub struct Session<'d> {
    dataset: &'d Dataset,
    token: Value<'d>,
    values: Vec<Value<'static>>,
    members: Vec<Member>,
    /// Numbers of members by their names.
    index: HashMap<String, usize>,
    /// The numbers of the members that the last entry names, at the places of the values that name them.
    named: Vec<usize>,
    entries: usize,
    /// The rows of each table by their folders.
    rows: Vec<BTreeMap<String, Rows>>,
}

struct Member {
    name: Value<'static>,
    values: Vec<Value<'static>>,
}

/// What a name can mean: the member, and the values and the number of the entry.
#[derive(Clone, Copy)]
struct Here<'v> {
    member: Option<&'v Member>,
    entry: &'v [Value<'v>],
    number: &'v Value<'v>,
}

impl<'v> Here<'v> {
    /// Where there are only the values of the session.
    const SESSION: Here<'static> = Here { member: None, entry: &[], number: &Value::Null };

    fn member(member: &'v Member) -> Self {
        Here { member: Some(member), ..Here::SESSION }
    }
}

impl<'d> Session<'d> {
    /// Starts with the session's own fields, as many as [`Dataset::session_fields`], and its members.
    ///
    /// # Errors
    /// When there are too few or too many members, or a field is invalid.
    pub fn new(
        dataset: &'d Dataset,
        token: &'d str,
        fields: Vec<Option<String>>,
        members: Vec<MemberRecord>,
    ) -> Result<Self, BadSession> {
        let words = &dataset.words;
        if !dataset.member_count.contains(&members.len()) {
            let (session, member, count) = (&words.session, &words.member, members.len());
            let (least, most) = (dataset.member_count.start(), dataset.member_count.end());
            return Err(BadSession(match count {
                0 => format!("the {session} has no {member}s"),
                count if count < *least => {
                    format!("the {session} has {count} {member}s, which is less than {least}")
                }
                count => format!("the {session} has {count} {member}s, which is more than {most}"),
            }));
        }
        let values = read_fields(&dataset.plan.session, &fields)
            .map_err(|reason| BadSession(format!("the {}: {reason}", words.session)))?;
        let index = members.iter().map(|member| member.name.clone()).zip(0..).collect();
        let members = members.into_iter().map(|MemberRecord { name, fields }| {
            match read_fields(&dataset.plan.member, &fields) {
                Ok(values) => Ok(Member { name: Value::Text(name.into()), values }),
                Err(reason) => Err(BadSession(format!("{} {name}: {reason}", words.member))),
            }
        });
        let members = members.collect::<Result<_, _>>()?;
        let named = vec![0; dataset.plan.entry.len()];
        let rows = vec![BTreeMap::new(); dataset.tables.len()];
        let token = Value::Text(token.into());
        Ok(Self { dataset, token, values, members, index, named, entries: 0, rows })
    }

    /// Adds the next entries of the list.
    ///
    /// # Errors
    /// When an entry is broken, or contradicts itself or the session.
    pub fn add<'e>(&mut self, entries: impl IntoIterator<Item = &'e [u8]>) -> Result<(), BadSession> {
        let dataset = self.dataset;
        let mut values = Vec::with_capacity(dataset.plan.entry.len());
        for entry in entries {
            self.entries += 1;
            let number = self.entries;
            values.clear();
            values.resize(dataset.plan.entry.len(), Value::Null);
            self.add_entry(entry, &mut values, number)
                .map_err(|reason| BadSession(format!("{} {number}: {reason}", dataset.words.entry)))?;
        }
        Ok(())
    }

    /// Adds an entry whose values are read into `entry`.
    fn add_entry<'e>(
        &mut self,
        json: &'e [u8],
        entry: &mut [Value<'e>],
        number: usize,
    ) -> Result<(), String> {
        let plan = &self.dataset.plan;
        // Checking the whole text at once is much faster than string by string, which serde does with bytes.
        let text = str::from_utf8(json).map_err(|error| error.to_string())?;
        if !text.trim_ascii_start().starts_with('{') {
            return Err("is not a JSON object".to_owned());
        }
        plan.paths.read(text, entry).map_err(|error| error.to_string())?;
        for (value, definition) in entry.iter_mut().zip(&plan.entry) {
            let may_be_missing = definition.is_nullable && *value == Value::Null;
            if !may_be_missing && !value.convert(definition.column_type, Origin::Json) {
                return Err(format!("{} must be {}", definition.name, definition.column_type.must_be()));
            }
        }
        let here = Here { entry, number: &Value::Integer(number as i128), ..Here::SESSION };
        self.check(Scope::Entry, here)?;
        for (place, value) in plan.entry.iter().enumerate().filter(|(_, value)| value.is_member) {
            let Value::Text(name) = &entry[place] else { return Err(format!("{} is no text", value.name)) };
            let member = self.index.get(name.as_ref());
            self.named[place] =
                *member.ok_or_else(|| format!("{name} is not a {}", self.dataset.words.member))?;
        }
        for (place, definition) in plan.member.iter().enumerate() {
            if let How::Total(total @ Total { of: Some(of), .. }) = &definition.how
                && self.counts(&total.condition, here)
            {
                add_up(&mut self.members[self.named[*of]].values[place], total.kind, here);
            }
        }
        for (place, definition) in plan.session.iter().enumerate() {
            if let How::Total(total) = &definition.how
                && self.counts(&total.condition, here)
            {
                add_up(&mut self.values[place], total.kind, here);
            }
        }
        let mut rows = mem::take(&mut self.rows);
        let mut of_entries = plan.tables.iter().enumerate().filter(|(_, table)| table.rows == Scope::Entry);
        let pushed = of_entries.try_for_each(|(place, _)| self.push_row(place, &mut rows[place], here));
        self.rows = rows;
        pushed
    }

    /// The rows of each table, in the order of [`Dataset::tables`].
    ///
    /// # Errors
    /// When a value does not fit its column, or the values contradict each other.
    pub fn into_rows(mut self) -> Result<Vec<Rows>, BadSession> {
        let (plan, words) = (&self.dataset.plan, &self.dataset.words);
        for (place, definition) in plan.member.iter().enumerate() {
            if let How::Rank(keys) = &definition.how {
                for (member, rank) in self.ranks(keys).into_iter().enumerate() {
                    self.members[member].values[place] = Value::Integer(rank as i128);
                }
            }
        }
        for member in &self.members {
            let here = Here::member(member);
            check_fit(&plan.member, &member.values)
                .and_then(|()| self.check(Scope::Member, here))
                .map_err(|reason| BadSession(format!("{} {}: {reason}", words.member, member.name)))?;
        }
        check_fit(&plan.session, &self.values)
            .and_then(|()| self.check(Scope::Session, Here::SESSION))
            .map_err(|reason| BadSession(format!("the {}: {reason}", words.session)))?;
        let mut rows = mem::take(&mut self.rows);
        for (place, (table, rows)) in plan.tables.iter().zip(&mut rows).enumerate() {
            let mut push = |here| self.push_row(place, rows, here).map_err(BadSession);
            match table.rows {
                Scope::Entry => {}
                Scope::Session => push(Here::SESSION)?,
                Scope::Member => {
                    let mut members: Vec<&Member> = self.members.iter().collect();
                    members
                        .sort_by(|a, b| self.compare(table.sort, a, b).then_with(|| order(&a.name, &b.name)));
                    for member in members {
                        push(Here::member(member))?;
                    }
                }
            }
            if table.partition.is_empty() {
                // A table without partitions has a file for each part, also if there are no rows.
                rows_of(rows, &self.dataset.tables[place], String::new());
            }
        }
        Ok(rows.into_iter().flat_map(BTreeMap::into_values).collect())
    }

    /// Adds a row to those of its table, in its folder.
    fn push_row(&self, place: usize, rows: &mut BTreeMap<String, Rows>, here: Here) -> Result<(), String> {
        let table = &self.dataset.plan.tables[place];
        let rows = rows_of(rows, &self.dataset.tables[place], self.folder(table, here)?);
        rows.push(table.columns.iter().map(|source| self.get(*source, here)));
        Ok(())
    }

    /// The folder of a row. Empty in a table without partitions.
    fn folder(&self, table: &TablePlan, here: Here) -> Result<String, String> {
        let segments = table.partition.iter().map(|FolderKey { name, value }| match value {
            Some((source, scalar)) => segment(name, self.get(*source, here), *scalar),
            None => Ok(format!("{name}={DAY}")),
        });
        Ok(segments.collect::<Result<Vec<_>, _>>()?.join("/"))
    }

    fn compare(&self, sort: Option<Source>, a: &Member, b: &Member) -> Ordering {
        let value = |member, source| self.get(source, Here::member(member));
        sort.map_or(Ordering::Equal, |source| order(value(a, source), value(b, source)))
    }

    /// The place of each member: 1 is best. Members that did equally well share a place, and the places after are skipped.
    fn ranks<'s>(&'s self, keys: &'s [RankKey]) -> Vec<usize> {
        let standing = |member: &'s Member| -> Vec<&'s Value<'s>> {
            let here = Here::member(member);
            let key = |RankKey { by, least, condition }: &'s RankKey| {
                let value = if self.counts(condition, here) { self.get(*by, here) } else { &Value::Null };
                least.as_ref().filter(|least| order(value, least).is_lt()).unwrap_or(value)
            };
            keys.iter().map(key).collect()
        };
        let compare = |a: &[&Value], b: &[&Value]| {
            a.iter().zip(b).map(|(a, b)| order(b, a)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut standings: Vec<(usize, Vec<&Value>)> =
            self.members.iter().map(standing).enumerate().collect();
        standings.sort_by(|(_, a), (_, b)| compare(a, b));
        let mut ranks = vec![1; standings.len()];
        for place in 1..standings.len() {
            let ((before, better), (member, standing)) = (&standings[place - 1], &standings[place]);
            let is_equal = compare(better, standing).is_eq();
            ranks[*member] = if is_equal { ranks[*before] } else { place + 1 };
        }
        ranks
    }

    /// Whether the condition holds, if there is one.
    fn counts(&self, condition: &Option<Condition>, here: Here) -> bool {
        condition.as_ref().is_none_or(|condition| self.holds(condition, here) == Some(true))
    }

    fn holds(&self, condition: &Condition, here: Here) -> Option<bool> {
        condition.holds(|source| self.get(source, here))
    }

    fn check(&self, scope: Scope, here: Here) -> Result<(), String> {
        let fails =
            |check: &&Check| check.scope == scope && self.holds(&check.condition, here) == Some(false);
        match self.dataset.plan.checks.iter().find(fails) {
            Some(check) => Err(self.describe(&check.otherwise, here)),
            None => Ok(()),
        }
    }

    fn describe(&self, fragments: &[Fragment], here: Here) -> String {
        fragments.iter().fold(String::new(), |mut text, fragment| {
            let _ = match fragment {
                Fragment::Text(fragment) => write!(text, "{fragment}"),
                Fragment::Value(source, scalar) => text.write_str(&self.get(*source, here).text(*scalar)),
            };
            text
        })
    }

    fn get<'v>(&'v self, source: Source, here: Here<'v>) -> &'v Value<'v> {
        match source {
            Source::Token => &self.token,
            Source::Member => here.member.map_or(&Value::Null, |member| &member.name),
            Source::Number => here.number,
            Source::OfEntry(place) => &here.entry[place],
            Source::OfMember(place) => here.member.map_or(&Value::Null, |member| &member.values[place]),
            Source::OfSession(place) => &self.values[place],
        }
    }
}

fn rows_of<'r>(rows: &'r mut BTreeMap<String, Rows>, table: &Arc<Table>, folder: String) -> &'r mut Rows {
    rows.entry(folder).or_insert_with_key(|folder| Rows::in_folder(Arc::clone(table), folder.clone()))
}

/// The values before the first entry.
fn read_fields(definitions: &[Definition], fields: &[Option<String>]) -> Result<Vec<Value<'static>>, String> {
    let read = |definition: &Definition| {
        let How::Field(name, number) = &definition.how else { return Ok(definition.initial()) };
        match fields.get(*number).and_then(Option::as_deref) {
            None if definition.is_nullable => Ok(Value::Null),
            text => {
                let mut value = text.map_or(Value::Null, |text| Value::Text(text.into()));
                let is_one = value.convert(definition.column_type, Origin::Field);
                let problem = || format!("{name} must be {}", definition.column_type.must_be());
                is_one.then(|| value.into_owned()).ok_or_else(problem)
            }
        }
    };
    definitions.iter().map(read).collect()
}

fn check_fit(definitions: &[Definition], values: &[Value]) -> Result<(), String> {
    let does_not_fit = |(definition, value): &(&Definition, &Value)| !value.fits(definition.column_type);
    match definitions.iter().zip(values).find(does_not_fit) {
        Some((definition, _)) => {
            Err(format!("{} must be {}", definition.name, definition.column_type.must_be()))
        }
        None => Ok(()),
    }
}

/// Adds an entry to a total.
fn add_up(total: &mut Value<'static>, kind: TotalKind, here: Here) {
    let replace_if = |total: &mut Value<'static>, place: usize, is_better: fn(Ordering) -> bool| {
        let value = &here.entry[place];
        if *value != Value::Null && (*total == Value::Null || is_better(order(value, total))) {
            *total = value.clone().into_owned();
        }
    };
    match kind {
        TotalKind::Count => {
            if let Value::Integer(count) = total {
                *count += 1;
            }
        }
        TotalKind::Sum(place) => match (total, &here.entry[place]) {
            (Value::Integer(sum), Value::Integer(number)) => *sum += number,
            (Value::Float(sum), Value::Float(number)) => *sum += number,
            _ => {}
        },
        TotalKind::Least(place) => replace_if(total, place, Ordering::is_lt),
        TotalKind::Most(place) => replace_if(total, place, Ordering::is_gt),
        TotalKind::First if *total == Value::Null => *total = here.number.clone().into_owned(),
        TotalKind::First => {}
    }
}
